using System.Buffers.Binary;
using System.Numerics;
using Parquet.Meta;
using Type = Parquet.Meta.Type;

namespace Backprop.Data.Formats;

/// <summary>
/// Whether a page's bytes, decompressed, hold the values that its header counts: Parquet.Net makes
/// up those that are missing of whatever lies in its memory. Encodings: apache/parquet-format,
/// Encodings.md.
/// </summary>
internal static class ParquetValues
{
    private const int MaxBitWidth = 32;
    private const int MaxBlockValues = 1 << 16;
    private const int MiniblockMultiple = 8;

    /// <summary>Counts the values that are there.</summary>
    /// <param name="levels">Definition levels, of one bit.</param>
    /// <param name="values">Values of the page, with those that are not there.</param>
    /// <param name="defined">Takes the values that are there.</param>
    /// <returns>False: the levels are for fewer values.</returns>
    public static bool TryCountDefined(ReadOnlySpan<byte> levels, int values, out int defined) =>
        TryReadRuns(levels, 1, values, out defined);

    /// <summary>Whether there are as many values.</summary>
    /// <param name="bytes">The values, without levels.</param>
    /// <param name="encoding">How they are encoded.</param>
    /// <param name="type">What they are.</param>
    /// <param name="typeBytes">Bytes of one, where they are of a fixed length.</param>
    /// <param name="count">How many there should be.</param>
    public static bool AreThere(
        ReadOnlySpan<byte> bytes, Encoding encoding, Type type, int typeBytes, int count) =>
        count == 0 || encoding switch
        {
            Encoding.PLAIN when type == Type.BYTE_ARRAY => AreTexts(bytes, count),
            Encoding.PLAIN when type == Type.BOOLEAN => 8L * bytes.Length >= count,
            Encoding.PLAIN or Encoding.BYTE_STREAM_SPLIT =>
                typeBytes > 0 && bytes.Length >= (long)typeBytes * count,
            Encoding.PLAIN_DICTIONARY or Encoding.RLE_DICTIONARY => AreIndexes(bytes, count),
            Encoding.DELTA_BINARY_PACKED or Encoding.DELTA_LENGTH_BYTE_ARRAY =>
                AreDeltas(bytes, count),
            _ => false,
        };

    /// <summary>Bytes of a value; 0: it has a length of its own.</summary>
    public static int BytesOf(Type type, int? typeLength) => type switch
    {
        Type.INT32 or Type.FLOAT => 4,
        Type.INT64 or Type.DOUBLE => 8,
        Type.INT96 => 12,
        Type.FIXED_LEN_BYTE_ARRAY => Math.Max(typeLength ?? 0, 0),
        _ => 0,
    };

    private static bool AreTexts(ReadOnlySpan<byte> bytes, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (!BinaryPrimitives.TryReadInt32LittleEndian(bytes, out int length)
                || length < 0 || length > bytes.Length - sizeof(int))
            {
                return false;
            }

            bytes = bytes[(sizeof(int) + length)..];
        }

        return true;
    }

    private static bool AreIndexes(ReadOnlySpan<byte> bytes, int count) =>
        !bytes.IsEmpty && bytes[0] <= MaxBitWidth
        && (bytes[0] == 0 || TryReadRuns(bytes[1..], bytes[0], count, out _));

    // Runs of one value, or of packed ones; ones counts those that are not 0, where they are bits.
    private static bool TryReadRuns(
        ReadOnlySpan<byte> bytes, int bitWidth, int count, out int ones)
    {
        ones = 0;
        int valueBytes = (bitWidth + 7) / 8;
        while (count > 0)
        {
            if (!Varint.TryRead(ref bytes, out ulong head) || head > int.MaxValue)
            {
                return false;
            }

            bool isPacked = (head & 1) != 0;
            long values = Math.Min(isPacked ? (long)(head >> 1) * 8 : (long)(head >> 1), count);
            long length = isPacked ? ((values * bitWidth) + 7) / 8 : values > 0 ? valueBytes : 0;
            if (length > bytes.Length)
            {
                return false;
            }

            ones += isPacked
                ? BitsOf(bytes[..(int)length], (int)values)
                : values > 0 && bytes[0] != 0 ? (int)values : 0;
            long whole = isPacked
                ? Math.Min((long)(head >> 1) * bitWidth, bytes.Length) : length;
            bytes = bytes[(int)whole..];
            count -= (int)values;
        }

        return true;
    }

    private static int BitsOf(ReadOnlySpan<byte> bytes, int count)
    {
        int bits = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            int left = Math.Min(count - (8 * i), 8);
            bits += left > 0 ? BitOperations.PopCount(bytes[i] & (0xFFu >> (8 - left))) : 0;
        }

        return bits;
    }

    // A header, and blocks of miniblocks: each as many values of as many bits as the block says.
    private static bool AreDeltas(ReadOnlySpan<byte> bytes, int count)
    {
        if (!Varint.TryRead(ref bytes, out ulong blockValues)
            || !Varint.TryRead(ref bytes, out ulong miniblocks)
            || !Varint.TryRead(ref bytes, out ulong total) || !Varint.TryRead(ref bytes, out _)
            || blockValues is 0 or > MaxBlockValues || miniblocks == 0 || total != (ulong)count
            || blockValues % (MiniblockMultiple * miniblocks) != 0)
        {
            return false;
        }

        int values = (int)(blockValues / miniblocks);
        for (long left = count - 1; left > 0;)
        {
            if (!Varint.TryRead(ref bytes, out _) || bytes.Length < (int)miniblocks)
            {
                return false;
            }

            ReadOnlySpan<byte> widths = bytes[..(int)miniblocks];
            bytes = bytes[(int)miniblocks..];
            for (int i = 0; i < widths.Length && left > 0; i++, left -= values)
            {
                int length = values / MiniblockMultiple * widths[i];
                if (widths[i] > 64 || length > bytes.Length)
                {
                    return false;
                }

                bytes = bytes[length..];
            }
        }

        return true;
    }
}
