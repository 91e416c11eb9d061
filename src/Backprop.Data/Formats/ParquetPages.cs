using System.Buffers;
using Parquet.Meta;
using Encoding = Parquet.Meta.Encoding;
using Type = Parquet.Meta.Type;

namespace Backprop.Data.Formats;

/// <summary>A column's values in one row group.</summary>
/// <param name="Path">The file, for messages.</param>
/// <param name="Column">The column's name, for messages.</param>
/// <param name="Metadata">What the footer says of them.</param>
/// <param name="Rows">Rows of the group.</param>
/// <param name="IsNullable">Whether values may be missing.</param>
/// <param name="Element">What the schema says of the column.</param>
internal sealed record ParquetChunk(
    string Path, string Column, ColumnMetaData Metadata, int Rows, bool IsNullable,
    SchemaElement Element);

/// <summary>
/// Looks at a column's pages before Parquet.Net reads them, which believes whatever their headers
/// say: sizes, counts, and that there is another page. What is let through lies in its place, has
/// all of its values, and takes no more memory than its bytes are trusted with.
/// </summary>
internal static class ParquetPages
{
    // What a page may come to: some of it for nothing, then by its values, and by its bytes as
    // deflate can expand them.
    private const long FreeBytes = 4 << 20;
    private const long BytesOfValue = 16;
    private const long BytesOfByte = 1040;

    // Readers begin anew with each page; writers make some thousands of rows a page.
    private const int FreePages = 1000;
    private const int RowsOfPage = 100;

    // A header grows with the least and the greatest value in it, which may be long texts.
    private const int FirstHeaderBytes = 1 << 10;
    private const int MaxHeaderBytes = 1 << 24;
    private const string Remedy = "give a whole Parquet file, or write it anew";

    /// <summary>Refuses pages that are not as their headers say.</summary>
    /// <param name="file">The file; its position moves.</param>
    /// <param name="chunk">The column.</param>
    /// <returns>Where the pages begin and end.</returns>
    /// <exception cref="InvalidDatasetException">They are not.</exception>
    public static (long Start, long End) RequireSound(FileStream file, ParquetChunk chunk)
    {
        ColumnMetaData metadata = chunk.Metadata;
        if (metadata.NumValues != chunk.Rows)
        {
            throw Refused(
                chunk, $"it has {metadata.NumValues:N0} values in a group of {chunk.Rows:N0} rows");
        }

        if (metadata.Type != chunk.Element.Type)
        {
            throw Refused(
                chunk, $"its values are {metadata.Type}, and {chunk.Element.Type} in the schema");
        }

        long start = StartOf(metadata);
        long end = start + Math.Min(Math.Max(metadata.TotalCompressedSize, 0), file.Length);
        if (chunk.Rows > 0 && (start < 1 || end > file.Length))
        {
            throw Refused(
                chunk, $"{metadata.TotalCompressedSize:N0} bytes from {start:N0} on do not lie in "
                + $"the file's {file.Length:N0}");
        }

        var walk = new PageWalk(file, chunk, end);
        long position = start;
        while (walk.Values < chunk.Rows)
        {
            position = walk.Next(position);
        }

        return (start, position);
    }

    // As Parquet.Net finds it.
    private static long StartOf(ColumnMetaData metadata)
    {
        long?[] offsets =
            [metadata.DictionaryPageOffset, metadata.DataPageOffset, metadata.IndexPageOffset];
        return offsets.Where(offset => offset is not (null or 0)).Min() ?? 0;
    }

    private static InvalidDatasetException Refused(ParquetChunk chunk, string problem) => new(
        chunk.Path, problem, Remedy, new DataPosition { Column = chunk.Column });

    /// <summary>A page's header.</summary>
    private sealed class Header
    {
        private ThriftNumbers _page;
        private ThriftNumbers _data;
        private ThriftStructure? _kind;

        /// <summary>Its own bytes.</summary>
        public int Bytes { get; set; }

        public long CompressedBytes => _page[ParquetStructures.PageHeader.CompressedBytes];

        public long UncompressedBytes => _page[ParquetStructures.PageHeader.UncompressedBytes];

        public long Values => _data[ParquetStructures.DataPageHeader.Values];

        public long Nulls => _data[ParquetStructures.DataPageHeaderV2.Nulls];

        public bool IsDictionary => _kind == ParquetStructures.DictionaryPage;

        public bool IsSecondVersion => _kind == ParquetStructures.DataPageV2;

        public Encoding Encoding => IsDictionary
            ? Encoding.PLAIN
            : (Encoding)_data[IsSecondVersion
                ? ParquetStructures.DataPageHeaderV2.Encoding
                : ParquetStructures.DataPageHeader.Encoding];

        /// <summary>Bytes of levels that stand before what is compressed.</summary>
        public long LevelBytes => IsSecondVersion
            ? _data[ParquetStructures.DataPageHeaderV2.DefinitionBytes]
            : 0;

        /// <summary>Levels of lists, which flat columns do not have.</summary>
        public long RepetitionBytes => IsSecondVersion
            ? _data[ParquetStructures.DataPageHeaderV2.RepetitionBytes]
            : 0;

        public bool IsCompressed => !IsSecondVersion
            || !_data.Has(ParquetStructures.DataPageHeaderV2.IsCompressed)
            || _data[ParquetStructures.DataPageHeaderV2.IsCompressed] != 0;

        /// <summary>Whether it says of its kind of page, and of no other, what there is to say.
        /// </summary>
        public bool IsWhole => (PageType)_page[ParquetStructures.PageHeader.Type] switch
        {
            PageType.DATA_PAGE => _kind == ParquetStructures.DataPage,
            PageType.DATA_PAGE_V2 => IsSecondVersion,
            PageType.DICTIONARY_PAGE => IsDictionary,
            _ => false,
        };

        public void Visit(ThriftStructure structure, in ThriftNumbers numbers)
        {
            if (structure == ParquetStructures.Page)
            {
                _page = numbers;
            }
            else if (structure == ParquetStructures.DataPage
                || structure == ParquetStructures.DataPageV2
                || structure == ParquetStructures.DictionaryPage)
            {
                (_kind, _data) = (_kind is null ? structure : null, numbers);
            }
        }
    }

    /// <summary>Goes from page to page.</summary>
    private sealed class PageWalk(FileStream file, ParquetChunk chunk, long end)
    {
        private readonly int _typeBytes =
            ParquetValues.BytesOf(chunk.Metadata.Type, chunk.Element.TypeLength);

        private long _uncompressedBytes;
        private long _pages;
        private bool _hasDictionary;

        /// <summary>Values of the pages so far.</summary>
        public long Values { get; private set; }

        /// <summary>Looks at a page.</summary>
        /// <returns>Where the next one begins.</returns>
        public long Next(long position)
        {
            Header header = ReadHeader(position);
            RequireSizes(header, end - position - header.Bytes);
            int length = (int)header.CompressedBytes;
            byte[] page = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                file.Position = position + header.Bytes;
                file.ReadExactly(page, 0, length);
                RequireContent(header, new ArraySegment<byte>(page, 0, length));
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(page);
            }

            Values += header.IsDictionary ? 0 : header.Values;
            _hasDictionary |= header.IsDictionary;
            return position + header.Bytes + length;
        }

        private Header ReadHeader(long position)
        {
            for (int bytes = FirstHeaderBytes; bytes <= MaxHeaderBytes; bytes *= 16)
            {
                var start = new byte[Math.Max(Math.Min(bytes, end - position), 0)];
                file.Position = position;
                file.ReadExactly(start);
                var header = new Header();
                var walk = new ThriftWalk(start, header.Visit);
                if (walk.TryRead(ParquetStructures.Page) && header.IsWhole)
                {
                    header.Bytes = walk.Consumed;
                    return header;
                }

                if (!walk.EndsTooSoon || start.Length < bytes)
                {
                    break;
                }
            }

            throw Refused(
                chunk, $"{chunk.Rows - Values:N0} of its {chunk.Rows:N0} values are in no page: at "
                + $"byte {position:N0} no header of one can be read");
        }

        private void RequireSizes(Header header, long bytesLeft)
        {
            _pages++;
            _uncompressedBytes += Math.Max(header.UncompressedBytes, 0);
            long trusted = Trusted(header);
            string? mistake = header switch
            {
                { CompressedBytes: < 0 } or { UncompressedBytes: < 0 } or { Values: < 0 } =>
                    "a page states a size below 0",
                _ when header.CompressedBytes > bytesLeft =>
                    $"a page of {header.CompressedBytes:N0} bytes has {bytesLeft:N0} to lie in",
                _ when header.UncompressedBytes > trusted =>
                    $"a page of {header.CompressedBytes:N0} bytes states to be "
                    + $"{header.UncompressedBytes:N0} when it is decompressed",
                _ when _uncompressedBytes > chunk.Metadata.TotalUncompressedSize =>
                    $"its pages come to {_uncompressedBytes:N0} bytes, where the footer says "
                    + $"{chunk.Metadata.TotalUncompressedSize:N0} of all",
                { IsDictionary: false } when header.Values > chunk.Rows - Values =>
                    $"its pages have more values than the group has rows, {chunk.Rows:N0}",
                { IsDictionary: true } when _hasDictionary => "it has a second dictionary",
                _ when _pages > FreePages + (chunk.Rows / RowsOfPage) =>
                    $"it has more than {_pages - 1:N0} pages",
                { LevelBytes: < 0 } or { RepetitionBytes: not 0 } =>
                    "a page states levels that flat columns do not have",
                { LevelBytes: > 0 } when !chunk.IsNullable =>
                    "a page states levels, where no value may be missing",
                _ when header.LevelBytes
                    > Math.Min(header.CompressedBytes, header.UncompressedBytes) =>
                    $"a page states {header.LevelBytes:N0} bytes of levels, more than it has",
                _ => UnreadEncoding(header),
            };
            if (mistake is not null)
            {
                throw Refused(chunk, mistake);
            }
        }

        // Parquet.Net reads booleans in runs as false, each of them, and takes the lengths of
        // prefixes, which are bytes, for characters.
        private string? UnreadEncoding(Header header) => header.Encoding switch
        {
            Encoding.RLE or Encoding.DELTA_BYTE_ARRAY or Encoding.BIT_PACKED =>
                $"its encoding {header.Encoding} is not read; write it as PLAIN or by a dictionary",
            Encoding.PLAIN_DICTIONARY or Encoding.RLE_DICTIONARY when !_hasDictionary =>
                "a page refers to a dictionary before there is one",
            _ => null,
        };

        private long Trusted(Header header) => Math.Min(
            FreeBytes + (BytesOfValue * Math.Min(header.Values, chunk.Rows))
            + (BytesOfByte * header.CompressedBytes),
            Array.MaxLength);

        private void RequireContent(Header header, ArraySegment<byte> page)
        {
            ArraySegment<byte> levels = page[..(int)header.LevelBytes];
            ArraySegment<byte> values = page[(int)header.LevelBytes..];
            int stated = (int)(header.UncompressedBytes - header.LevelBytes);
            CompressionCodec codec =
                header.IsCompressed ? chunk.Metadata.Codec : CompressionCodec.UNCOMPRESSED;
            long bytes = values.Count == 0
                ? 0
                : ParquetCodec.Bytes(codec, values, stated);
            if (bytes < 0 || bytes > Trusted(header)
                || (bytes != stated && codec != CompressionCodec.ZSTD))
            {
                throw Refused(
                    chunk, bytes < 0
                        ? $"its compression {codec} is not read"
                        : $"a page states {stated:N0} bytes, and its {codec} data {bytes:N0}");
            }

            byte[] content = ArrayPool<byte>.Shared.Rent((int)bytes);
            try
            {
                int length = bytes == 0
                    ? 0
                    : ParquetCodec.Decompress(codec, values, content.AsSpan(0, (int)bytes));
                bool isWhole = length == bytes || (length >= 0 && codec == CompressionCodec.ZSTD);
                if (!isWhole || !HasValues(header, levels, content.AsSpan(0, length)))
                {
                    throw Refused(chunk, "the data of a page are damaged, or too few");
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(content);
            }
        }

        private bool HasValues(
            Header header, ReadOnlySpan<byte> levels, ReadOnlySpan<byte> content)
        {
            int values = (int)header.Values;
            int defined = values;
            if (chunk.IsNullable && !header.IsDictionary)
            {
                if (!header.IsSecondVersion && !TryTakeLevels(ref content, out levels))
                {
                    return false;
                }

                bool isCounted = ParquetValues.TryCountDefined(levels, values, out defined);
                if (!isCounted || (header.IsSecondVersion && defined != values - header.Nulls))
                {
                    return false;
                }
            }

            return ParquetValues.AreThere(
                content, header.Encoding, chunk.Metadata.Type, _typeBytes, defined);
        }

        // The first version has them within what is compressed, after their length.
        private static bool TryTakeLevels(
            scoped ref ReadOnlySpan<byte> content, out ReadOnlySpan<byte> levels)
        {
            levels = [];
            if (content.Length < sizeof(int))
            {
                return false;
            }

            int length = BitConverter.ToInt32(content);
            content = content[sizeof(int)..];
            if (length < 0 || length > content.Length)
            {
                return false;
            }

            levels = content[..length];
            content = content[length..];
            return true;
        }
    }
}
