using System.Globalization;
using System.Text;
using Backprop.Data.Formats;

namespace Backprop.Data.Tokenizers;

/// <summary>A step on the way from tokens to their text.</summary>
/// <param name="parts">The tokens, or what earlier steps have made of them.</param>
/// <param name="isStart">Whether a text begins with them.</param>
internal delegate IEnumerable<string> DecoderStep(IEnumerable<string> parts, bool isStart);

/// <summary>The decoders of Hugging Face's tokenizers (huggingface/tokenizers,
/// tokenizers/src/decoders), as far as byte pair encodings have them.</summary>
internal static class DecoderSteps
{
    private const int ByteTokenLength = 6;
    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    /// <summary>Characters that stand for bytes become those; a token with another character is
    /// taken as it is.</summary>
    public static IEnumerable<string> ByteLevel(IEnumerable<string> parts, bool isStart) =>
    [
        Encoding.UTF8.GetString(
        [
            .. parts.SelectMany(
                part => ByteAlphabet.BytesOf(part) ?? Encoding.UTF8.GetBytes(part)),
        ]),
    ];

    /// <summary>Tokens of bytes, <c>&lt;0x0A&gt;</c>, become the text of those in a row; where they
    /// are none, each a U+FFFD.</summary>
    public static IEnumerable<string> ByteFallback(IEnumerable<string> parts, bool isStart)
    {
        List<byte> bytes = [];
        foreach (string part in parts)
        {
            if (ByteOf(part) is { } value)
            {
                bytes.Add(value);
                continue;
            }

            if (bytes.Count > 0)
            {
                yield return TextOf(bytes);
                bytes.Clear();
            }

            yield return part;
        }

        if (bytes.Count > 0)
        {
            yield return TextOf(bytes);
        }
    }

    /// <summary>All parts become one.</summary>
    public static IEnumerable<string> Fuse(IEnumerable<string> parts, bool isStart) =>
        [string.Concat(parts)];

    /// <summary>Replaces something in each part.</summary>
    public static DecoderStep Replace(TokenPattern pattern, string content) =>
        (parts, _) => parts.Select(part => pattern.Replace(part, content));

    /// <summary>Takes a character away from the beginning of a text, and from its end.</summary>
    /// <param name="content">The character.</param>
    /// <param name="start">How many times at the beginning.</param>
    /// <param name="stop">How many times at the end.</param>
    public static DecoderStep Strip(char content, int start, int stop) => (parts, isStart) =>
        parts.Select(part =>
        {
            int first = 0, end = part.Length;
            while (isStart && first < Math.Min(start, part.Length) && part[first] == content)
            {
                first++;
            }

            while (end > first && part.Length - end < stop && part[end - 1] == content)
            {
                end--;
            }

            return part[first..end];
        });

    /// <summary>The character that is seen becomes a blank; but not the one that was put before
    /// the text.</summary>
    public static DecoderStep Metaspace(string replacement, bool isPrepended) => (parts, isStart) =>
        parts.Select((part, i) =>
        {
            bool isPut = isPrepended && isStart && i == 0
                && part.StartsWith(replacement, StringComparison.Ordinal);
            return (isPut ? part[replacement.Length..] : part)
                .Replace(replacement, " ", StringComparison.Ordinal);
        });

    /// <summary>A blank between tokens, where nothing is said of decoding.</summary>
    public static IEnumerable<string> Spaced(IEnumerable<string> parts, bool isStart) =>
        parts.Select((part, i) => isStart && i == 0 ? part : " " + part);

    private static byte? ByteOf(string token) =>
        token.Length == ByteTokenLength && token.StartsWith("<0x", StringComparison.Ordinal)
        && token[^1] == '>'
        && byte.TryParse(
            token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
            out byte value)
            ? value
            : null;

    private static string TextOf(List<byte> bytes)
    {
        try
        {
            return s_strict.GetString([.. bytes]);
        }
        catch (DecoderFallbackException)
        {
            return new string(TextFormat.Unknown[0], bytes.Count);
        }
    }
}
