using System.Buffers.Binary;

namespace Backprop.Data.Formats;

/// <summary>
/// Looks at a Parquet file's footer before it is believed. It is a Thrift structure in the compact
/// protocol (apache/parquet-format, README; apache/thrift, thrift-compact-protocol), which readers
/// descend into by recursion: one that is nested without end would end the process.
/// </summary>
internal static class ParquetFooter
{
    // Its structures are nested less than ten deep.
    private const int MaxDepth = 32;
    private const int MaxBytes = 64 << 20;
    private const int LengthBytes = sizeof(int);
    private const string Remedy = "give a whole Parquet file";

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <summary>Refuses a file whose footer is not such a structure; the file is left at its
    /// beginning.</summary>
    public static void RequireSound(FileStream file, string path)
    {
        int tailBytes = LengthBytes + Magic.Length;
        if (file.Length < Magic.Length + tailBytes)
        {
            throw new InvalidDatasetException(
                path, $"its {file.Length} bytes are too few for Parquet", Remedy);
        }

        Span<byte> tail = stackalloc byte[tailBytes];
        file.Position = file.Length - tailBytes;
        file.ReadExactly(tail);
        long length = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (!tail[LengthBytes..].SequenceEqual(Magic))
        {
            throw new InvalidDatasetException(
                path, "it does not end with PAR1, as Parquet does", Remedy);
        }

        if (length > Math.Min(MaxBytes, file.Length - tailBytes - Magic.Length))
        {
            throw new InvalidDatasetException(
                path, $"it states {length:N0} bytes of metadata, which it does not have or which "
                + $"are more than {MaxBytes:N0}", Remedy);
        }

        var footer = new byte[length];
        file.Position = file.Length - tailBytes - length;
        file.ReadExactly(footer);
        file.Position = 0;
        var reader = new CompactReader(footer);
        if (!reader.TrySkipStruct(MaxDepth))
        {
            throw new InvalidDatasetException(path, "its metadata are damaged", Remedy);
        }
    }

    /// <summary>Walks over a structure without taking memory for it.</summary>
    private ref struct CompactReader(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        private enum Kind
        {
            Stop = 0,
            True = 1,
            False = 2,
            Byte = 3,
            I16 = 4,
            I32 = 5,
            I64 = 6,
            Double = 7,
            Binary = 8,
            List = 9,
            Set = 10,
            Map = 11,
            Struct = 12,
            Uuid = 13,
        }

        public bool TrySkipStruct(int depth)
        {
            while (depth > 0 && TryReadByte(out byte field))
            {
                var kind = (Kind)(field & 0x0F);
                if (kind == Kind.Stop)
                {
                    return true;
                }

                bool hasOwnNumber = field >> 4 == 0;
                if ((hasOwnNumber && !TryReadVarint(out _)) || !TrySkip(kind, depth, isItem: false))
                {
                    return false;
                }
            }

            return false;
        }

        // A boolean field's value is its kind; in a list it has a byte.
        private bool TrySkip(Kind kind, int depth, bool isItem) => depth > 0 && kind switch
        {
            Kind.True or Kind.False => !isItem || TryAdvance(1),
            Kind.Byte => TryAdvance(1),
            Kind.I16 or Kind.I32 or Kind.I64 => TryReadVarint(out _),
            Kind.Double => TryAdvance(sizeof(double)),
            Kind.Uuid => TryAdvance(16),
            Kind.Binary => TryReadVarint(out ulong length) && TryAdvance(length),
            Kind.List or Kind.Set => TrySkipList(depth),
            Kind.Map => TrySkipMap(depth),
            Kind.Struct => TrySkipStruct(depth - 1),
            _ => false,
        };

        private bool TrySkipList(int depth)
        {
            if (!TryReadByte(out byte head))
            {
                return false;
            }

            const int LongList = 15;
            ulong count = (ulong)(head >> 4);
            return (count != LongList || TryReadVarint(out count))
                && TrySkipItems((Kind)(head & 0x0F), count, depth);
        }

        private bool TrySkipMap(int depth)
        {
            if (!TryReadVarint(out ulong count) || count == 0)
            {
                return count == 0;
            }

            if (!TryReadByte(out byte kinds) || count > (ulong)_rest.Length)
            {
                return false;
            }

            for (ulong i = 0; i < count; i++)
            {
                if (!TrySkipItems((Kind)(kinds >> 4), 1, depth)
                    || !TrySkipItems((Kind)(kinds & 0x0F), 1, depth))
                {
                    return false;
                }
            }

            return true;
        }

        // Every item takes a byte at least, so that the count bounds the work and readers' memory.
        private bool TrySkipItems(Kind kind, ulong count, int depth)
        {
            if (count > (ulong)_rest.Length)
            {
                return false;
            }

            for (ulong i = 0; i < count; i++)
            {
                if (!TrySkip(kind, depth - 1, isItem: true))
                {
                    return false;
                }
            }

            return true;
        }

        private bool TryReadVarint(out ulong value)
        {
            value = 0;
            for (int shift = 0; shift < 64 && TryReadByte(out byte part); shift += 7)
            {
                value |= (ulong)(part & 0x7F) << shift;
                if (part < 0x80)
                {
                    return true;
                }
            }

            return false;
        }

        private bool TryReadByte(out byte value)
        {
            value = _rest.IsEmpty ? (byte)0 : _rest[0];
            return TryAdvance(1);
        }

        private bool TryAdvance(ulong bytes)
        {
            if (bytes > (ulong)_rest.Length)
            {
                return false;
            }

            _rest = _rest[(int)bytes..];
            return true;
        }
    }
}
