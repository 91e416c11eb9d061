using System.Runtime.InteropServices;

namespace Backprop.Training;

/// <summary>Floats as the bytes that files and digests are made of.</summary>
internal static class LittleEndian
{
    /// <summary>Floats that are turned at once: a span of bytes cannot hold a whole large
    /// network.</summary>
    public const int PieceFloats = 1 << 20;

    /// <summary>The bytes of at most <see cref="PieceFloats"/> floats from
    /// <paramref name="start"/> on; empty at the end.</summary>
    public static Span<byte> Piece(Span<float> values, int start)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("digests and files need little-endian floats");
        }

        return MemoryMarshal.AsBytes(
            values.Slice(start, Math.Min(PieceFloats, values.Length - start)));
    }
}
