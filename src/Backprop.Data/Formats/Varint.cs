namespace Backprop.Data.Formats;

/// <summary>Unsigned integers of variable length, 7 bits a byte, the lowest first (LEB128), as
/// Thrift and Parquet have them.</summary>
internal static class Varint
{
    /// <summary>Bytes of the longest.</summary>
    public const int MaxBytes = 10;

    /// <summary>Reads one.</summary>
    /// <param name="bytes">What begins with it; afterwards what follows it.</param>
    /// <param name="value">It.</param>
    /// <returns>False: it does not end, within the bytes or within <see cref="MaxBytes"/>; then
    /// the bytes stay as they are.</returns>
    public static bool TryRead(ref ReadOnlySpan<byte> bytes, out ulong value)
    {
        value = 0;
        for (int i = 0; i < bytes.Length && i < MaxBytes; i++)
        {
            value |= (ulong)(bytes[i] & 0x7F) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bytes = bytes[(i + 1)..];
                return true;
            }
        }

        return false;
    }
}
