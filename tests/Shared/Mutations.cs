namespace Backprop.Tests.Shared;

/// <summary>Bytes as accidents and attackers would have them: a function of the generator's seed.
/// </summary>
internal static class Mutations
{
    private const int MostChanges = 8;
    private const int MostRepeats = 300;

    private static readonly byte[][] s_pieces =
    [
        [.. "{"u8], [.. "}"u8], [.. "["u8], [.. "]"u8], [.. "\""u8], [.. "\\"u8], [.. "${"u8],
        [.. "${?a}"u8], [.. "+="u8], [.. "\"\"\""u8], [.. "include \"/etc/passwd\"\n"u8],
        [.. "null"u8], [.. "1e999"u8], [.. "-0"u8], [.. "\\ud800"u8], [0], [0xFF, 0xFE],
        [0xC0, 0x80], [0xF0, 0x9F, 0x98, 0x80], [.. "\r\n"u8], [.. "//"u8], [.. "#"u8], [.. ","u8],
        [.. "a.b.c="u8], [.. "99999999999999999999"u8], [.. "../"u8],
    ];

    /// <summary>Everything that is left of bytes that end too soon, and then the bytes with one of
    /// them changed, at every place to each of a few values.</summary>
    public static IEnumerable<byte[]> CutsAndChanges(byte[] original)
    {
        for (int length = 0; length < original.Length; length++)
        {
            yield return original[..length];
        }

        foreach (byte value in (byte[])[0, 1, 0x7F, 0x80, 0xFF])
        {
            for (int place = 0; place < original.Length; place++)
            {
                byte[] damaged = [.. original];
                damaged[place] = value;
                yield return damaged;
            }
        }
    }

    /// <summary>One that has been changed in a few places.</summary>
    public static byte[] Of(byte[] original, Random random)
    {
        List<byte> bytes = [.. original];
        int changes = random.Next(1, MostChanges + 1);
        for (int i = 0; i < changes; i++)
        {
            int at = random.Next(bytes.Count + 1);
            int length = random.Next(Math.Min(32, bytes.Count - at) + 1);
            switch (random.Next(6))
            {
                case 0:
                    bytes.RemoveRange(at, length);
                    break;
                case 1:
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                case 2 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 3:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 4:
                    byte[] piece = s_pieces[random.Next(s_pieces.Length)];
                    bytes.InsertRange(at, Enumerable.Repeat(
                        piece, random.Next(1, MostRepeats)).SelectMany(one => one));
                    break;
                default:
                    bytes.InsertRange(at, s_pieces[random.Next(s_pieces.Length)]);
                    break;
            }
        }

        return [.. bytes];
    }
}
