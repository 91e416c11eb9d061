using System.IO.Compression;
using System.Text;
using Backprop.Data.Formats;

namespace Backprop.Data.Tests.Formats;

/// <summary>Pages of Parquet files, made by hand: what is as it says is read, and what is not is
/// refused before memory is taken for it.</summary>
public sealed class ParquetPagesTests : IDisposable
{
    private const long MaxBytes = 4 << 20;
    private const int Huge = int.MaxValue - 64;

    private readonly DataFolder _folder = new();

    // Files that are refused, and for what.
    private static readonly Dictionary<string, (ParquetBytes File, string Problem)> s_crafted =
    new()
    {
        ["a page far larger than its bytes"] = (
            Compressed(ParquetBytes.Gzip, page => page with { StatedBytes = Huge }),
            "states to be 2,147,483,583 when it is decompressed"),
        ["Snappy data that state more than their page"] = (
            One(page => page with { Compressed = [0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0, 0] })
                with { Codec = ParquetBytes.Snappy },
            "a page states 12 bytes, and its SNAPPY data 2,147,483,647"),
        ["Zstandard data that state more than they are trusted with"] = (
            One(page => page with
            {
                Compressed =
                    [0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 0, 0x70, 0x0B, 0, 0, 0],
            }) with { Codec = ParquetBytes.Zstd },
            "a page states 12 bytes, and its ZSTD data 1,879,048,192"),
        ["compressed data that end too soon"] = (
            Compressed(ParquetBytes.Gzip, page => page with { StatedBytes = 16 }),
            "the data of a page are damaged, or too few"),
        ["LZ4 data that are damaged"] = (
            One(page => page with { Compressed = [0xF0, 0xFF, 1] })
                with { Codec = ParquetBytes.Lz4 },
            "the data of a page are damaged, or too few"),
        ["a compression that nobody reads"] = (
            new ParquetBytes { Codec = 3 }, "its compression LZO is not read"),
        ["a page that reaches past the column"] = (
            One(page => page with { StatedCompressedBytes = 1000 }),
            "a page of 1,000 bytes has 12 to lie in"),
        ["a page of less than no bytes"] = (
            One(page => page with { StatedCompressedBytes = -30 }), "a page states a size below 0"),
        ["more values than rows"] = (
            One(page => page with { Values = Huge }),
            "its pages have more values than the group has rows, 3"),
        ["fewer values than rows"] = (
            new ParquetBytes { Rows = 4, After = new byte[100] },
            "1 of its 4 values are in no page"),
        ["another count in the footer"] = (
            new ParquetBytes { Values = Huge }, "it has 2,147,483,583 values in a group of 3 rows"),
        ["values that are not there"] = (
            One(page => page with { Content = ParquetPage.Int32s(1, 2) }),
            "the data of a page are damaged, or too few"),
        ["levels that are not there"] = (
            One(page => page with { Content = [.. ParquetPage.Int32s(9), 1, 2] })
                with { IsNullable = true },
            "the data of a page are damaged, or too few"),
        ["more bytes than the footer says"] = (
            new ParquetBytes { TotalBytes = 8 },
            "come to 12 bytes, where the footer says 8 of all"),
        ["a column that does not lie in the file"] = (
            new ParquetBytes { Offset = 1 << 30 }, "do not lie in the file's"),
        ["bytes of another type"] = (
            new ParquetBytes { SchemaType = 5 }, "its values are INT32, and DOUBLE in the schema"),
        ["a dictionary that is not there"] = (
            One(page => page with { Encoding = ParquetPage.Dictionary, Content = [1, 3, 0] }),
            "a page refers to a dictionary before there is one"),
        ["a dictionary of more values than its bytes"] = (
            new ParquetBytes
            {
                Pages =
                [
                    new ParquetPage { Type = 2, Values = Huge },
                    new ParquetPage { Encoding = ParquetPage.Dictionary, Content = [1, 3, 7] },
                ],
            }, "the data of a page are damaged, or too few"),
        ["two dictionaries"] = (
            new ParquetBytes
            {
                Pages = [new ParquetPage { Type = 2 }, new ParquetPage { Type = 2 }],
            },
            "it has a second dictionary"),
        ["pages without values, without end"] = (
            new ParquetBytes
            {
                Pages = [.. Enumerable.Repeat(new ParquetPage { Values = 0, Content = [] }, 2000)],
            }, "it has more than 1,000 pages"),
        ["blocks of differences without end"] = (
            One(page => page with
            {
                Encoding = 5,
                Content = [0x80, 0x80, 0x80, 0x80, 0x04, 1, 3, 2, 2, 0, 0, 0, 0],
            }), "the data of a page are damaged, or too few"),
        ["an encoding that Parquet.Net misreads"] = (
            One(page => page with { Encoding = 3 }), "its encoding RLE is not read"),
        ["another kind of page"] = (
            One(page => page with { Type = 1 }), "no header of one can be read"),
    };

    public static TheoryData<string> Crafted => [.. s_crafted.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Crafted))]
    public void WhatIsNotAsItSaysIsRefusedBeforeMemoryIsTaken(string file)
    {
        string path = _folder.Write("table.parquet", s_crafted[file].File.ToArray());
        Values(_folder.Write("whole.parquet", new ParquetBytes().ToArray()));
        long before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<InvalidDatasetException>(() => Values(path));
        Assert.Contains(s_crafted[file].Problem, refused.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MaxBytes);
    }

    [Theory]
    [InlineData(0, 0)]
    [InlineData(0, 3)]
    [InlineData(ParquetBytes.Gzip, 0)]
    [InlineData(ParquetBytes.Gzip, 3)]
    [InlineData(ParquetBytes.Brotli, 0)]
    [InlineData(ParquetBytes.Brotli, 3)]
    public void WhatIsAsItSaysIsRead(int codec, int pageType)
    {
        ParquetBytes file = Compressed(codec, page => page with { Type = pageType });
        Assert.Equal(["1", "2", "3"], Values(_folder.Write("table.parquet", file.ToArray())));
    }

    // By hand: levels in a run of two ones, and in bits 1 and 0; indexes 1 and 0 of two bits in a
    // group of eight.
    [Fact]
    public void ValuesOfSeveralPagesADictionaryAndMissingOnesAreRead()
    {
        byte[] runs = [2, 0, 0, 0, 2 << 1, 1];
        byte[] bits = [2, 0, 0, 0, 3, 0b0000_0001];
        var file = new ParquetBytes
        {
            IsNullable = true,
            Rows = 4,
            Pages =
            [
                new ParquetPage { Type = 2, Values = 2, Content = ParquetPage.Int32s(70, 80) },
                new ParquetPage
                {
                    Values = 2,
                    Encoding = ParquetPage.Dictionary,
                    Content = [.. runs, 2, 3, 0b0000_0001, 0],
                },
                new ParquetPage { Values = 2, Content = [.. bits, .. ParquetPage.Int32s(90)] },
            ],
        };
        Assert.Equal(
            ["80", "70", "90", null], Values(_folder.Write("table.parquet", file.ToArray())));
    }

    // A dictionary of one text of a million letters, to which each of a million rows refers.
    [Fact]
    public void TextsThatComeToFarMoreThanTheFileAreRefused()
    {
        const int Rows = 1 << 20;
        byte[] text = [.. BitConverter.GetBytes(Rows), .. Enumerable.Repeat((byte)'a', Rows)];
        var file = new ParquetBytes
        {
            Type = 6,
            SchemaType = 6,
            IsText = true,
            Rows = Rows,
            TotalBytes = 1 << 22,
            Pages =
            [
                new ParquetPage { Type = 2, Values = 1, Content = text },
                new ParquetPage
                {
                    Values = Rows, Encoding = ParquetPage.Dictionary, Content = [0],
                },
            ],
        };
        var refused = Assert.Throws<InvalidDatasetException>(
            () => Values(_folder.Write("table.parquet", file.ToArray())));
        Assert.Contains(
            "come to texts of 1,099,511,627,776 characters", refused.Message,
            StringComparison.Ordinal);
    }

    private static ParquetBytes One(Func<ParquetPage, ParquetPage> change) =>
        new() { Pages = [change(new ParquetPage())] };

    private static ParquetBytes Compressed(int codec, Func<ParquetPage, ParquetPage> change)
    {
        var page = new ParquetPage();
        return new ParquetBytes
        {
            Codec = codec,
            Pages = [change(page with { Compressed = Compress(codec, page.Content) })],
        };
    }

    private static byte[]? Compress(int codec, byte[] content)
    {
        using var stream = new MemoryStream();
        using (Stream? packed = codec switch
        {
            ParquetBytes.Gzip => new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true),
            ParquetBytes.Brotli =>
                new BrotliStream(stream, CompressionLevel.Optimal, leaveOpen: true),
            _ => null,
        })
        {
            packed?.Write(content);
        }

        return codec == 0 ? null : stream.ToArray();
    }

    private static List<string?> Values(string path)
    {
        using TableRows rows = TableRows.Open(path, new TableSyntax.Parquet());
        var values = new List<string?>();
        while (rows.Read())
        {
            ReadOnlySpan<byte> value = rows.Value(0, out bool isNull);
            values.Add(isNull ? null : Encoding.UTF8.GetString(value));
        }

        return values;
    }
}
