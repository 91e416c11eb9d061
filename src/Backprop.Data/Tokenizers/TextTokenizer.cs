using System.Collections.Immutable;
using System.Text;
using Backprop.Data.Formats;

namespace Backprop.Data.Tokenizers;

/// <summary>Takes texts apart into tokens, and puts them together again.</summary>
public interface ITextTokenizer
{
    /// <summary>The tokens by number.</summary>
    ImmutableArray<string> Tokens { get; }

    /// <summary>What says, beside <see cref="Tokens"/>, how a text is encoded; null: they alone do.
    /// </summary>
    string? Definition { get; }

    /// <summary>The token numbers of a text.</summary>
    /// <exception cref="InvalidDatasetException">The text has what no token stands for.
    /// </exception>
    ImmutableArray<int> Encode(string text);

    /// <summary>The text that token numbers stand for.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="isStart">Whether a text begins with them, or one goes on with them.</param>
    string Decode(IEnumerable<int> tokens, bool isStart = true);
}

/// <summary>The steps that a <c>tokenizer.json</c> names.</summary>
/// <param name="Normalizers">What is made of a text first.</param>
/// <param name="Words">How it is cut then.</param>
/// <param name="Decoders">The way back.</param>
internal sealed record TokenizerSteps(
    ImmutableArray<Func<string, string>> Normalizers,
    ImmutableArray<Func<TextPiece, IEnumerable<TextPiece>>> Words,
    ImmutableArray<DecoderStep> Decoders);

/// <summary>
/// A tokenizer of byte pairs as a <c>tokenizer.json</c> describes it: added tokens are found first;
/// what is between them is normalized, cut into words, and each word is joined by the merges. No
/// token is put before or after a text of its own accord.
/// </summary>
internal sealed class TextTokenizer : ITextTokenizer
{
    private readonly string _source;
    private readonly TokenizerSteps _steps;
    private readonly TokenMerges _merges;
    private readonly AddedTokens _raw;
    private readonly AddedTokens _normalized;

    /// <summary>A tokenizer.</summary>
    /// <param name="source">The file, for messages.</param>
    /// <param name="definition">See <see cref="Definition"/>.</param>
    /// <param name="tokens">The tokens by number.</param>
    /// <param name="added">Tokens that are found first.</param>
    /// <param name="steps">What is done to a text.</param>
    /// <param name="merges">What joins its characters.</param>
    public TextTokenizer(
        string source, string definition, ImmutableArray<string> tokens,
        ImmutableArray<AddedToken> added, TokenizerSteps steps, TokenMerges merges)
    {
        _source = source;
        Definition = definition;
        Tokens = tokens;
        _steps = steps;
        _merges = merges;
        bool isNormalized = steps.Normalizers.Length > 0;
        _raw = new AddedTokens(
            added.Where(token => !(token.IsNormalized && isNormalized))
                .Select(token => (token.Content, token.Number)));
        _normalized = new AddedTokens(
            added.Where(token => token.IsNormalized && isNormalized)
                .Select(token => (Normalize(token.Content), token.Number)));
    }

    /// <inheritdoc/>
    public ImmutableArray<string> Tokens { get; }

    /// <inheritdoc/>
    public string? Definition { get; }

    /// <inheritdoc/>
    public ImmutableArray<int> Encode(string text)
    {
        var tokens = new List<int>();
        foreach ((TextPiece raw, int? rawToken) in _raw.Split(new TextPiece(text, true)))
        {
            if (rawToken is { } known)
            {
                tokens.Add(known);
                continue;
            }

            TextPiece normalized = raw with { Text = Normalize(raw.Text) };
            foreach ((TextPiece piece, int? token) in _normalized.Split(normalized))
            {
                if (token is { } added)
                {
                    tokens.Add(added);
                }
                else
                {
                    EncodePiece(piece, tokens);
                }
            }
        }

        return [.. tokens];
    }

    /// <inheritdoc/>
    public string Decode(IEnumerable<int> tokens, bool isStart = true)
    {
        IEnumerable<string> parts = tokens.Select(token => Tokens[token]);
        foreach (DecoderStep step in _steps.Decoders)
        {
            parts = step(parts, isStart);
        }

        return string.Concat(parts);
    }

    private string Normalize(string text) =>
        _steps.Normalizers.Aggregate(text, (normalized, step) => step(normalized));

    private void EncodePiece(TextPiece piece, List<int> tokens)
    {
        IEnumerable<TextPiece> words = [piece];
        foreach (Func<TextPiece, IEnumerable<TextPiece>> step in _steps.Words)
        {
            words = words.SelectMany(step);
        }

        foreach (TextPiece word in words)
        {
            if (!_merges.TryEncode(word.Text, tokens, out Rune stranger))
            {
                throw new InvalidDatasetException(
                    _source, $"the text has {Quotation.Of(stranger.ToString())}, for which there "
                    + "is no token",
                    "give a tokenizer that has one, a token for what it does not know, or tokens "
                    + "for bytes");
            }
        }
    }
}
