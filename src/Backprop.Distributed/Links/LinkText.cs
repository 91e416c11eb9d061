using System.Text;

namespace Backprop.Distributed.Links;

/// <summary>Texts that travel between nodes: bounded, and without control characters, since they
/// end up in logs and terminals.</summary>
internal static class LinkText
{
    /// <summary>Encodes a text, cut between characters to fit.</summary>
    public static byte[] Encode(string text, int maxBytes)
    {
        byte[] bytes = new byte[maxBytes];
        Encoding.UTF8.GetEncoder().Convert(text, bytes, flush: true, out _, out int used, out _);
        return bytes[..used];
    }

    /// <summary>Decodes what a peer sent.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes) => string.Create(
        Encoding.UTF8.GetCharCount(bytes),
        bytes,
        static (characters, source) =>
        {
            Encoding.UTF8.GetChars(source, characters);
            for (int i = 0; i < characters.Length; i++)
            {
                if (char.IsControl(characters[i]))
                {
                    characters[i] = '?';
                }
            }
        });
}
