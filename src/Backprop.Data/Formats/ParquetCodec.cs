using System.IO.Compression;
using K4os.Compression.LZ4;
using Parquet.Meta;
using Snappier;
using ZstdSharp;

namespace Backprop.Data.Formats;

/// <summary>Decompresses a page's bytes into room that was measured before.</summary>
internal static class ParquetCodec
{
    /// <summary>The bytes that a page comes to, at the most; negative: it does not say so, or
    /// nobody here reads it.</summary>
    /// <param name="codec">How it is compressed.</param>
    /// <param name="compressed">The page.</param>
    /// <param name="stated">What its header says.</param>
    public static long Bytes(CompressionCodec codec, ReadOnlySpan<byte> compressed, int stated) =>
        codec switch
        {
            CompressionCodec.UNCOMPRESSED => compressed.Length,
            CompressionCodec.SNAPPY => Snappy.GetUncompressedLength(compressed),
            CompressionCodec.ZSTD => (long)Math.Min(
                Decompressor.GetDecompressedSize(compressed), long.MaxValue),
            CompressionCodec.GZIP or CompressionCodec.BROTLI or CompressionCodec.LZ4
                or CompressionCodec.LZ4_RAW => stated,
            _ => -1,
        };

    /// <summary>Decompresses a page.</summary>
    /// <param name="codec">How it is compressed.</param>
    /// <param name="compressed">The page.</param>
    /// <param name="destination">Takes it; of the length that <see cref="Bytes"/> says.</param>
    /// <returns>Its bytes; fewer than there is room for where it ends too soon, negative where it
    /// is damaged.</returns>
    public static int Decompress(
        CompressionCodec codec, ArraySegment<byte> compressed, Span<byte> destination)
    {
        ReadOnlySpan<byte> source = compressed;
        switch (codec)
        {
            case CompressionCodec.UNCOMPRESSED:
                source.CopyTo(destination);
                return source.Length;
            case CompressionCodec.SNAPPY:
                return Snappy.Decompress(source, destination);
            case CompressionCodec.ZSTD:
                using (var zstd = new Decompressor())
                {
                    return zstd.TryUnwrap(source, destination, out int written) ? written : -1;
                }

            case CompressionCodec.GZIP:
                using (var gzip = new GZipStream(
                    new MemoryStream(compressed.Array!, compressed.Offset, compressed.Count),
                    CompressionMode.Decompress))
                {
                    return gzip.ReadAtLeast(destination, destination.Length, false);
                }

            case CompressionCodec.BROTLI:
                return BrotliDecoder.TryDecompress(source, destination, out int read) ? read : -1;
            default:
                return LZ4Codec.Decode(source, destination);
        }
    }
}
