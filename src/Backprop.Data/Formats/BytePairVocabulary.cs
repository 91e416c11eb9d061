using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Backprop.Data.Tokenizers;
using Microsoft.ML.Tokenizers;

namespace Backprop.Data.Formats;

/// <summary>
/// Tokens of bytes that occur together, byte-level byte pair encoding: Sennrich, Haddow, Birch,
/// "Neural machine translation of rare words with subword units", 2016; over bytes as in Radford et
/// al., "Language models are unsupervised multitask learners", 2019 (GPT-2). A text is cut into
/// words, and in a word the two neighbours are joined, again and again, whose joint token has the
/// lowest number: so a vocabulary whose tokens are numbered in the order they were found is all
/// that it takes to encode.
/// </summary>
public sealed partial class BytePairVocabulary : ITextTokenizer
{
    /// <summary>How a text is cut into words: that of GPT-2, a word with the blank before it.
    /// </summary>
    internal const string WordPattern =
        @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    /// <summary>The least tokens: every byte is one.</summary>
    public const int ByteTokens = 256;

    private readonly ImmutableArray<byte[]> _bytes;
    private readonly TiktokenTokenizer _tokenizer;

    private BytePairVocabulary(ImmutableArray<string> tokens, ImmutableArray<byte[]> bytes)
    {
        Tokens = tokens;
        _bytes = bytes;
        using var ranks = new MemoryStream();
        for (int token = 0; token < bytes.Length; token++)
        {
            string line = string.Create(
                CultureInfo.InvariantCulture, $"{Convert.ToBase64String(bytes[token])} {token}\n");
            ranks.Write(Encoding.ASCII.GetBytes(line));
        }

        ranks.Position = 0;
        _tokenizer = TiktokenTokenizer.Create(
            ranks, new RegexPreTokenizer(Words(), null), normalizer: null);
    }

    /// <summary>The tokens by number, a character for each of their bytes, as GPT-2's vocabulary
    /// writes them: a letter for itself, <c>Ġ</c> for a blank.</summary>
    public ImmutableArray<string> Tokens { get; }

    /// <inheritdoc/>
    string? ITextTokenizer.Definition => null;

    /// <summary>What <see cref="WordPattern"/> finds.</summary>
    [GeneratedRegex(WordPattern, RegexOptions.CultureInvariant)]
    internal static partial Regex Words();

    /// <summary>A vocabulary of these tokens.</summary>
    /// <param name="source">The file, for messages.</param>
    /// <param name="tokens">The tokens by number, written as <see cref="Tokens"/>.</param>
    /// <exception cref="InvalidDatasetException">One is not written so or stands twice, or a byte
    /// has no token.</exception>
    public static BytePairVocabulary Of(string source, ImmutableArray<string> tokens)
    {
        var bytes = ImmutableArray.CreateBuilder<byte[]>(tokens.Length);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int token = 0; token < tokens.Length; token++)
        {
            if (ByteAlphabet.BytesOf(tokens[token]) is not { Length: > 0 } parts)
            {
                throw Refused(
                    source, $"token {token}, {Quotation.Of(tokens[token])}, is not written in "
                    + "GPT-2's characters for bytes");
            }

            if (!seen.Add(tokens[token]))
            {
                throw Refused(source, $"the token {Quotation.Of(tokens[token])} has two numbers");
            }

            bytes.Add(parts);
        }

        for (int value = 0; value < ByteTokens; value++)
        {
            if (!seen.Contains(ByteAlphabet.TextOf([(byte)value])))
            {
                throw Refused(source, $"the byte 0x{value:X2} has no token");
            }
        }

        return new BytePairVocabulary(tokens, bytes.MoveToImmutable());
    }

    /// <summary>The token numbers of a text.</summary>
    public ImmutableArray<int> Encode(string text) =>
        [.. _tokenizer.EncodeToIds(text, considerNormalization: false)];

    /// <summary>The text that token numbers stand for; bytes that are no UTF-8 become U+FFFD.
    /// </summary>
    public string Decode(IEnumerable<int> tokens, bool isStart = true) =>
        Encoding.UTF8.GetString([.. tokens.SelectMany(token => _bytes[token])]);

    private static InvalidDatasetException Refused(string source, string problem) => new(
        source, problem, "give a byte-level vocabulary, as GPT-2's");
}
