using System.Buffers;
using System.Collections.Immutable;

namespace Backprop.Data.Tokenizers;

/// <summary>A token that is found in texts before anything else is done with them.</summary>
/// <param name="Content">What it is in a text.</param>
/// <param name="Number">Its number.</param>
/// <param name="IsNormalized">Whether it is looked for in what the normalizer makes of the text.
/// </param>
internal readonly record struct AddedToken(string Content, int Number, bool IsNormalized);

/// <summary>Finds tokens in a text as they are: of those that begin at one place the longest.
/// </summary>
internal sealed class AddedTokens
{
    private readonly ImmutableArray<(string Content, int Number)> _longestFirst;
    private readonly SearchValues<string> _contents;

    /// <summary>These tokens.</summary>
    public AddedTokens(IEnumerable<(string Content, int Number)> tokens)
    {
        _longestFirst = [.. tokens.OrderByDescending(token => token.Content.Length)];
        _contents = SearchValues.Create(
            [.. _longestFirst.Select(token => token.Content)], StringComparison.Ordinal);
    }

    /// <summary>The pieces of a text between tokens, and the tokens.</summary>
    public IEnumerable<(TextPiece Piece, int? Token)> Split(TextPiece text)
    {
        int start = 0;
        while (!_longestFirst.IsEmpty)
        {
            int found = text.Text.AsSpan(start).IndexOfAny(_contents);
            if (found < 0)
            {
                break;
            }

            int at = start + found;
            (string content, int number) = _longestFirst.First(token =>
                string.CompareOrdinal(text.Text, at, token.Content, 0, token.Content.Length) == 0);
            if (found > 0)
            {
                yield return (Part(text, start..at), null);
            }

            yield return (new TextPiece(content, false), number);
            start = at + content.Length;
        }

        if (start < text.Text.Length)
        {
            yield return (Part(text, start..text.Text.Length), null);
        }
    }

    private static TextPiece Part(TextPiece text, Range place) =>
        new(text.Text[place], text.IsFirst && place.Start.Value == 0);
}
