using static Backprop.Data.Formats.ThriftField;
using static Backprop.Data.Formats.ThriftKind;

namespace Backprop.Data.Formats;

/// <summary>The structures of a Parquet file: apache/parquet-format, parquet.thrift. Those of
/// encryption are left out, since encrypted files are not read.</summary>
internal static class ParquetStructures
{
    /// <summary>A column, or a group of them.</summary>
    public static class SchemaElement
    {
        /// <summary>The field with the count of columns in it.</summary>
        public const int Children = 5;

        /// <summary>The field with a decimal number's digits after the point.</summary>
        public const int Scale = 7;
    }

    /// <summary>What stands before a page.</summary>
    public static class PageHeader
    {
        /// <summary>The field with the kind of page.</summary>
        public const int Type = 1;

        /// <summary>The field with its bytes before they were compressed.</summary>
        public const int UncompressedBytes = 2;

        /// <summary>The field with its bytes.</summary>
        public const int CompressedBytes = 3;
    }

    /// <summary>What is said of a page with values, or with a dictionary.</summary>
    public static class DataPageHeader
    {
        /// <summary>The field with the count of its values, in all three kinds.</summary>
        public const int Values = 1;

        /// <summary>The field with their encoding, but for the second version.</summary>
        public const int Encoding = 2;
    }

    /// <summary>What is said of a page with values, second version.</summary>
    public static class DataPageHeaderV2
    {
        /// <summary>The field with the count of values that are missing.</summary>
        public const int Nulls = 2;

        /// <summary>The field with the encoding.</summary>
        public const int Encoding = 4;

        /// <summary>The field with the bytes of definition levels.</summary>
        public const int DefinitionBytes = 5;

        /// <summary>The field with the bytes of repetition levels.</summary>
        public const int RepetitionBytes = 6;

        /// <summary>The field that says whether the values are compressed; so they are where it is
        /// not there.</summary>
        public const int IsCompressed = 7;
    }

    private static readonly ThriftStructure s_empty = new();

    private static readonly ThriftStructure s_statistics = new(
        (1, Binary), (2, Binary), (3, I64), (4, I64), (5, Binary), (6, Binary), (7, True),
        (8, True));

    private static readonly ThriftStructure s_sizes = new(
        (1, I64), (2, ListOf(I64)), (3, ListOf(I64)));

    private static readonly ThriftStructure s_box = new(
        (1, ThriftKind.Double), (2, ThriftKind.Double), (3, ThriftKind.Double),
        (4, ThriftKind.Double), (5, ThriftKind.Double), (6, ThriftKind.Double),
        (7, ThriftKind.Double), (8, ThriftKind.Double));

    private static readonly ThriftStructure s_time = new(
        (1, True), (2, new ThriftStructure((1, s_empty), (2, s_empty), (3, s_empty))));

    private static readonly ThriftStructure s_logicalType = new(
        (1, s_empty), (2, s_empty), (3, s_empty), (4, s_empty),
        (5, new ThriftStructure((1, I32), (2, I32))), (6, s_empty), (7, s_time), (8, s_time),
        (10, new ThriftStructure((1, ThriftKind.Byte), (2, True))), (11, s_empty), (12, s_empty),
        (13, s_empty), (14, s_empty), (15, s_empty),
        (16, new ThriftStructure((1, ThriftKind.Byte))), (17, new ThriftStructure((1, Binary))),
        (18, new ThriftStructure((1, Binary), (2, I32))));

    private static readonly ThriftStructure s_keyValue = new((1, Binary), (2, Binary))
    {
        Required = [1],
    };

    private static readonly ThriftStructure s_columnMetadata = new(
        (1, I32), (2, ListOf(I32)), (3, ListOf(Binary)), (4, I32), (5, I64), (6, I64), (7, I64),
        (8, ListOf(s_keyValue)), (9, I64), (10, I64), (11, I64), (12, s_statistics),
        (13, ListOf(new ThriftStructure((1, I32), (2, I32), (3, I32)) { Required = [1, 2, 3] })),
        (14, I64), (15, I32), (16, s_sizes),
        (17, new ThriftStructure((1, s_box), (2, ListOf(I32)))))
    {
        Required = [1, 2, 3, 4, 5, 6, 7, 9],
    };

    private static readonly ThriftStructure s_columnChunk = new(
        (1, Binary), (2, I64), (3, s_columnMetadata), (4, I64), (5, I32), (6, I64), (7, I32))
    {
        Required = [3],
    };

    private static readonly ThriftStructure s_rowGroup = new(
        (1, ListOf(s_columnChunk)), (2, I64), (3, I64),
        (4, ListOf(new ThriftStructure((1, I32), (2, True), (3, True)) { Required = [1, 2, 3] })),
        (5, I64), (6, I64), (7, I16))
    {
        Required = [1, 3],
    };

    /// <summary>A column, or a group of them.</summary>
    public static ThriftStructure Element { get; } = new(
        (1, I32), (2, I32), (3, I32), (4, Binary), (SchemaElement.Children, I32), (6, I32),
        (SchemaElement.Scale, I32), (8, I32), (9, I32), (10, s_logicalType))
    {
        Required = [4],
    };

    /// <summary>The footer.</summary>
    public static ThriftStructure File { get; } = new(
        (1, I32), (2, ListOf(Element)), (3, I64), (4, ListOf(s_rowGroup)),
        (5, ListOf(s_keyValue)), (6, Binary),
        (7, ListOf(new ThriftStructure((1, s_empty)))), (9, Binary))
    {
        Required = [2, 4],
    };

    /// <summary>A page with values.</summary>
    public static ThriftStructure DataPage { get; } = new(
        (DataPageHeader.Values, I32), (DataPageHeader.Encoding, I32), (3, I32), (4, I32),
        (5, s_statistics))
    {
        Required = [DataPageHeader.Values, DataPageHeader.Encoding],
    };

    /// <summary>A page with a dictionary.</summary>
    public static ThriftStructure DictionaryPage { get; } = new(
        (DataPageHeader.Values, I32), (DataPageHeader.Encoding, I32), (3, True))
    {
        Required = [DataPageHeader.Values],
    };

    /// <summary>A page with values, second version.</summary>
    public static ThriftStructure DataPageV2 { get; } = new(
        (DataPageHeader.Values, I32), (DataPageHeaderV2.Nulls, I32), (3, I32),
        (DataPageHeaderV2.Encoding, I32), (DataPageHeaderV2.DefinitionBytes, I32),
        (DataPageHeaderV2.RepetitionBytes, I32), (DataPageHeaderV2.IsCompressed, True),
        (8, s_statistics))
    {
        Required =
        [
            DataPageHeader.Values, DataPageHeaderV2.Nulls, DataPageHeaderV2.Encoding,
            DataPageHeaderV2.DefinitionBytes, DataPageHeaderV2.RepetitionBytes,
        ],
    };

    /// <summary>What stands before a page.</summary>
    public static ThriftStructure Page { get; } = new(
        (PageHeader.Type, I32), (PageHeader.UncompressedBytes, I32),
        (PageHeader.CompressedBytes, I32), (4, I32), (5, DataPage), (6, s_empty),
        (7, DictionaryPage), (8, DataPageV2))
    {
        Required = [PageHeader.Type, PageHeader.UncompressedBytes, PageHeader.CompressedBytes],
    };
}
