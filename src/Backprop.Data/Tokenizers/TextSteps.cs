using System.Text;
using Backprop.Data.Formats;

namespace Backprop.Data.Tokenizers;

/// <summary>A piece of a text that is encoded by itself.</summary>
/// <param name="Text">The piece.</param>
/// <param name="IsFirst">Whether the text begins with it.</param>
internal readonly record struct TextPiece(string Text, bool IsFirst);

/// <summary>Which side of a cut what was found goes to.</summary>
internal enum CutBehaviour
{
    /// <summary>It is left out.</summary>
    Removed,

    /// <summary>It is a piece of its own.</summary>
    Isolated,

    /// <summary>It ends the piece before it.</summary>
    MergedWithPrevious,

    /// <summary>It begins the piece after it.</summary>
    MergedWithNext,

    /// <summary>It is one piece with what was found right beside it.</summary>
    Contiguous,
}

/// <summary>
/// How a text is changed and cut before its tokens are looked for: the normalizers and
/// pre-tokenizers of Hugging Face's tokenizers (huggingface/tokenizers, tokenizers/src), as far as
/// byte pair encodings have them.
/// </summary>
internal static class TextSteps
{
    /// <summary>Puts a text before pieces that are not empty.</summary>
    public static Func<string, string> Prepend(string prefix) =>
        text => text.Length > 0 ? prefix + text : text;

    /// <summary>Requires Unicode's normalization form C, to which other programs would bring the
    /// text.</summary>
    /// <param name="source">The file, for messages.</param>
    public static Func<string, string> RequireFormC(string source) => text =>
    {
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (FormC.MayChange(rune))
            {
                throw new InvalidDatasetException(
                    source,
                    $"its normalizer is NFC, and the text has U+{rune.Value:X4}, which NFC may "
                    + "join or replace",
                    "bring the text to Unicode's form NFC without combining characters");
            }
        }

        return text;
    };

    /// <summary>Makes of blanks a character that is seen, and may put one before a piece.</summary>
    /// <param name="replacement">The character.</param>
    /// <param name="prepend">Where one is put: <c>always</c>, <c>first</c> or <c>never</c>.</param>
    /// <param name="isCut">Whether a piece begins at each.</param>
    public static Func<TextPiece, IEnumerable<TextPiece>> Metaspace(
        string replacement, string prepend, bool isCut)
    {
        Func<TextPiece, IEnumerable<TextPiece>> cut = Cut(
            TokenPattern.Literal("", replacement), CutBehaviour.MergedWithNext, isInverted: false);
        return piece =>
        {
            string text = piece.Text.Replace(" ", replacement, StringComparison.Ordinal);
            bool isPrepended = (prepend == "always" || (prepend == "first" && piece.IsFirst))
                && !text.StartsWith(replacement, StringComparison.Ordinal);
            TextPiece seen = piece with { Text = isPrepended ? replacement + text : text };
            return isCut ? cut(seen) : [seen];
        };
    }

    /// <summary>Cuts by GPT-2's expression, if so, and writes each byte as a character.</summary>
    public static Func<TextPiece, IEnumerable<TextPiece>> ByteLevel(bool hasPrefix, bool isCut)
    {
        Func<TextPiece, IEnumerable<TextPiece>> cut = Cut(
            TokenPattern.Expression("", BytePairVocabulary.WordPattern), CutBehaviour.Isolated,
            isInverted: false);
        return piece =>
        {
            bool isPrefixed = hasPrefix && !piece.Text.StartsWith(' ');
            TextPiece whole = piece with { Text = isPrefixed ? " " + piece.Text : piece.Text };
            return (isCut ? cut(whole) : [whole]).Select(part => part with
            {
                Text = ByteAlphabet.TextOf(Encoding.UTF8.GetBytes(part.Text)),
            });
        };
    }

    /// <summary>Cuts digits out, each by itself or as many as there are in a row.</summary>
    public static Func<TextPiece, IEnumerable<TextPiece>> Digits(string source, bool isEach) => Cut(
        TokenPattern.Expression(source, @"\p{N}"),
        isEach ? CutBehaviour.Isolated : CutBehaviour.Contiguous, isInverted: false);

    /// <summary>Cuts where something is found.</summary>
    /// <param name="pattern">What is looked for.</param>
    /// <param name="behaviour">Where it goes.</param>
    /// <param name="isInverted">Whether what is between the places stands for them.</param>
    public static Func<TextPiece, IEnumerable<TextPiece>> Cut(
        TokenPattern pattern, CutBehaviour behaviour, bool isInverted) => piece =>
        {
            List<(Range Place, bool IsMatch)> parts = [];
            int end = 0;
            foreach (Range match in pattern.Matches(piece.Text))
            {
                if (match.Start.Value > end)
                {
                    parts.Add((end..match.Start.Value, isInverted));
                }

                parts.Add((match, !isInverted));
                end = match.End.Value;
            }

            if (end < piece.Text.Length)
            {
                parts.Add((end..piece.Text.Length, isInverted));
            }

            return Joined(parts, behaviour)
                .Where(place => place.Start.Value < place.End.Value)
                .Select(place => new TextPiece(
                    piece.Text[place], piece.IsFirst && place.Start.Value == 0));
        };

    private static List<Range> Joined(
        List<(Range Place, bool IsMatch)> parts, CutBehaviour behaviour)
    {
        if (behaviour is CutBehaviour.Removed or CutBehaviour.Isolated)
        {
            return
            [
                .. parts.Where(part => !part.IsMatch || behaviour == CutBehaviour.Isolated)
                    .Select(part => part.Place),
            ];
        }

        bool isBackward = behaviour == CutBehaviour.MergedWithNext;
        List<Range> joined = [];
        bool wasMatch = false;
        foreach ((Range place, bool isMatch) in isBackward ? parts.AsEnumerable().Reverse() : parts)
        {
            bool isJoined = behaviour == CutBehaviour.Contiguous
                ? isMatch == wasMatch : isMatch && !wasMatch;
            if (isJoined && joined.Count > 0)
            {
                joined[^1] = isBackward ? place.Start..joined[^1].End : joined[^1].Start..place.End;
            }
            else
            {
                joined.Add(place);
            }

            wasMatch = isMatch;
        }

        if (isBackward)
        {
            joined.Reverse();
        }

        return joined;
    }
}
