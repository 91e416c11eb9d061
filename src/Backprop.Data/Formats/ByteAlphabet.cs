using System.Collections.Immutable;

namespace Backprop.Data.Formats;

/// <summary>
/// A printable character for each byte, GPT-2's: those of Latin-1 that can be seen stand for
/// themselves, and U+0100 and those after it for the others, in order.
/// </summary>
internal static class ByteAlphabet
{
    private const int FirstSubstitute = 0x100;

    private static readonly ImmutableArray<char> s_characters = Characters();

    private static readonly Dictionary<char, byte> s_bytes = s_characters
        .Select((character, value) => (character, value))
        .ToDictionary(e => e.character, e => (byte)e.value);

    /// <summary>Bytes as characters.</summary>
    public static string TextOf(ReadOnlySpan<byte> bytes)
    {
        var text = new char[bytes.Length];
        for (int i = 0; i < bytes.Length; i++)
        {
            text[i] = s_characters[bytes[i]];
        }

        return new string(text);
    }

    /// <summary>The bytes that characters stand for; null: one of them stands for none.</summary>
    public static byte[]? BytesOf(string text)
    {
        var bytes = new byte[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            if (!s_bytes.TryGetValue(text[i], out bytes[i]))
            {
                return null;
            }
        }

        return bytes;
    }

    private static ImmutableArray<char> Characters()
    {
        int substitute = FirstSubstitute;
        return
        [
            .. Enumerable.Range(0, 256).Select(
                value => (char)(IsSeen(value) ? value : substitute++)),
        ];
    }

    private static bool IsSeen(int value) =>
        value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF);
}
