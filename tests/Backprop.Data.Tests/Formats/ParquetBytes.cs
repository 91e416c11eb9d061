using System.Text;

namespace Backprop.Data.Tests.Formats;

/// <summary>A structure of Thrift's compact protocol, field by field.</summary>
internal sealed class CompactBytes
{
    private const int I32Kind = 5;
    private const int I64Kind = 6;
    private const int BinaryKind = 8;
    private const int ListKind = 9;
    private const int StructKind = 12;
    private readonly List<byte> _bytes = [];
    private int _last;

    public byte[] ToArray() => [.. _bytes, 0];

    public CompactBytes Boolean(int field, bool value) => Field(field, value ? 1 : 2);

    public CompactBytes Int32(int field, long value) => Field(field, I32Kind).Number(value);

    public CompactBytes Int64(int field, long value) => Field(field, I64Kind).Number(value);

    public CompactBytes Text(int field, string value)
    {
        Field(field, BinaryKind).Varint((ulong)value.Length);
        _bytes.AddRange(Encoding.ASCII.GetBytes(value));
        return this;
    }

    public CompactBytes Struct(int field, CompactBytes value)
    {
        Field(field, StructKind)._bytes.AddRange(value.ToArray());
        return this;
    }

    public CompactBytes Structs(int field, params CompactBytes[] items)
    {
        Field(field, ListKind)._bytes.Add((byte)((items.Length << 4) | StructKind));
        _bytes.AddRange(items.SelectMany(item => item.ToArray()));
        return this;
    }

    public CompactBytes Int32s(int field, params int[] items)
    {
        Field(field, ListKind)._bytes.Add((byte)((items.Length << 4) | I32Kind));
        foreach (int item in items)
        {
            Number(item);
        }

        return this;
    }

    public CompactBytes Texts(int field, string item)
    {
        Field(field, ListKind)._bytes.Add((1 << 4) | BinaryKind);
        Varint((ulong)item.Length);
        _bytes.AddRange(Encoding.ASCII.GetBytes(item));
        return this;
    }

    private CompactBytes Field(int field, int kind)
    {
        _bytes.Add((byte)(((field - _last) << 4) | kind));
        _last = field;
        return this;
    }

    private CompactBytes Number(long value)
    {
        Varint((ulong)((value << 1) ^ (value >> 63)));
        return this;
    }

    private void Varint(ulong value)
    {
        for (; value > 0x7F; value >>= 7)
        {
            _bytes.Add((byte)(value | 0x80));
        }

        _bytes.Add((byte)value);
    }
}

/// <summary>A page of a Parquet file: as a reader wants it, or as somebody crafted it. What is not
/// stated is what is true.</summary>
internal sealed record ParquetPage
{
    public const int Plain = 0;
    public const int Dictionary = 2;

    /// <summary>0 for values, 2 for a dictionary, 3 for the second version of values.</summary>
    public int Type { get; init; }

    public int Encoding { get; init; }

    public int Values { get; init; } = 3;

    public byte[] Content { get; init; } = Int32s(1, 2, 3);

    public byte[]? Compressed { get; init; }

    public int? StatedBytes { get; init; }

    public int? StatedCompressedBytes { get; init; }

    public static byte[] Int32s(params int[] values) =>
        [.. values.SelectMany(BitConverter.GetBytes)];

    /// <summary>The header, and what follows it.</summary>
    public byte[] ToArray()
    {
        byte[] data = Compressed ?? Content;
        CompactBytes header = new CompactBytes()
            .Int32(1, Type)
            .Int32(2, StatedBytes ?? Content.Length)
            .Int32(3, StatedCompressedBytes ?? data.Length);
        var kind = new CompactBytes().Int32(1, Values);
        header = Type switch
        {
            0 => header.Struct(5, kind.Int32(2, Encoding).Int32(3, 3).Int32(4, 3)),
            2 => header.Struct(7, kind.Int32(2, Encoding)),
            _ => header.Struct(
                8, kind.Int32(2, 0).Int32(3, Values).Int32(4, Encoding).Int32(5, 0).Int32(6, 0)),
        };
        return [.. header.ToArray(), .. data];
    }
}

/// <summary>A Parquet file with one column, x, of 32-bit integers, and one row group.</summary>
internal sealed record ParquetBytes
{
    public const int Snappy = 1;
    public const int Gzip = 2;
    public const int Brotli = 4;
    public const int Zstd = 6;
    public const int Lz4 = 7;
    private const int Int32 = 1;

    public IReadOnlyList<ParquetPage> Pages { get; init; } = [new ParquetPage()];

    public long Rows { get; init; } = 3;

    public long? Values { get; init; }

    public int Codec { get; init; }

    public bool IsNullable { get; init; }

    /// <summary>Bytes of all pages, decompressed.</summary>
    public long TotalBytes { get; init; } = 1 << 20;

    public long? TotalCompressedBytes { get; init; }

    public long? Offset { get; init; }

    public int Type { get; init; } = Int32;

    public int SchemaType { get; init; } = Int32;

    public bool IsText { get; init; }

    /// <summary>What follows the pages, before the footer.</summary>
    public byte[] After { get; init; } = [];

    public byte[] ToArray()
    {
        byte[] pages = [.. Pages.SelectMany(page => page.ToArray())];
        CompactBytes column = new CompactBytes()
            .Int32(1, Type).Int32s(2, 0).Texts(3, "x").Int32(4, Codec)
            .Int64(5, Values ?? Rows).Int64(6, TotalBytes)
            .Int64(7, TotalCompressedBytes ?? pages.Length).Int64(9, Offset ?? 4);
        CompactBytes group = new CompactBytes()
            .Structs(1, new CompactBytes().Int64(2, 0).Struct(3, column))
            .Int64(2, TotalBytes).Int64(3, Rows);
        CompactBytes root = new CompactBytes().Text(4, "root").Int32(5, 1);
        CompactBytes field = new CompactBytes()
            .Int32(1, SchemaType).Int32(3, IsNullable ? 1 : 0).Text(4, "x");
        field = IsText ? field.Int32(6, 0) : field;
        byte[] footer = new CompactBytes()
            .Int32(1, 1).Structs(2, root, field).Int64(3, Rows).Structs(4, group).ToArray();
        return
        [
            .. "PAR1"u8, .. pages, .. After, .. footer, .. BitConverter.GetBytes(footer.Length),
            .. "PAR1"u8,
        ];
    }
}
