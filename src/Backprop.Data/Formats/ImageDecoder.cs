using System.Buffers.Binary;
using System.IO.Compression;
using StbImageSharp;

namespace Backprop.Data.Formats;

/// <summary>The size of an image, in pixels.</summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
public readonly record struct ImageSize(int Height, int Width)
{
    /// <summary>Rows and columns, as shapes are written: <c>28x28</c>.</summary>
    public override string ToString() => FormattableString.Invariant($"{Height}x{Width}");
}

/// <summary>
/// Decodes PNG and JPEG by stb_image, whose arithmetic is of integers: an image is the same bytes
/// on every processor. It trusts what it decodes, so that sizes are looked at before.
/// </summary>
internal static class ImageDecoder
{
    private const int MaxPixels = 1 << 24;
    private const string Remedy = "give whole PNG or JPEG files";

    private static ReadOnlySpan<byte> Png => [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A];

    private static ReadOnlySpan<byte> Jpeg => [0xFF, 0xD8, 0xFF];

    /// <summary>The size that an image says it has.</summary>
    /// <exception cref="InvalidDatasetException">It is no PNG or JPEG, or too large.</exception>
    public static ImageSize SizeOf(string path, ArraySegment<byte> bytes)
    {
        if (!bytes.AsSpan().StartsWith(Png) && !bytes.AsSpan().StartsWith(Jpeg))
        {
            throw new InvalidDatasetException(path, "it is neither PNG nor JPEG", Remedy);
        }

        ImageInfo info = Guarded(path, () => ImageInfo.FromStream(new ImageBytes(bytes)))
            ?? throw new InvalidDatasetException(path, "its header is damaged", Remedy);
        if (info.Width < 1 || info.Height < 1 || (long)info.Width * info.Height > MaxPixels)
        {
            throw new InvalidDatasetException(
                path, $"its size is {info.Height}x{info.Width}",
                $"give images of at most {MaxPixels:N0} pixels");
        }

        var size = new ImageSize(info.Height, info.Width);
        RequireContent(path, bytes, size);
        return size;
    }

    /// <summary>Decodes an image.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="bytes">Its content.</param>
    /// <param name="size">Its size, as <see cref="SizeOf"/> told.</param>
    /// <param name="channels">Bytes of a pixel: 1 of brightness, or 3 of red, green and blue.
    /// Transparency is not looked at.</param>
    /// <param name="destination">[height, width, channels].</param>
    public static void Decode(
        string path, ArraySegment<byte> bytes, ImageSize size, int channels, Span<byte> destination)
    {
        ColorComponents wanted =
            channels == 1 ? ColorComponents.Grey : ColorComponents.RedGreenBlue;
        ImageResult image = Guarded(
            path, () => ImageResult.FromStream(new ImageBytes(bytes), wanted));
        if (image.Width != size.Width || image.Height != size.Height
            || image.Data.Length != destination.Length)
        {
            throw new InvalidDatasetException(path, "it has another size than it says", Remedy);
        }

        image.Data.CopyTo(destination);
    }

    // What a header promises costs nothing until there are bytes for it. Of JPEG's blocks of 8x8
    // pixels each takes a bit at least.
    private static void RequireContent(string path, ArraySegment<byte> bytes, ImageSize size)
    {
        const int MaxPixelBytes = 8, PixelsOfByte = 8 * 64, RowSlack = 16, Slack = 4096;
        bool isPng = bytes.AsSpan().StartsWith(Png);
        long least = isPng
            ? (1L + ((size.Width + 7) / 8)) * size.Height
            : (long)size.Width * size.Height / PixelsOfByte;
        long most = (((long)MaxPixelBytes * size.Width) + RowSlack) * size.Height + Slack;
        long found = isPng ? InflatedBytes(path, bytes, most) : bytes.Count;
        if (found < least || (isPng && found > most))
        {
            throw new InvalidDatasetException(
                path,
                $"it holds {(found < least ? "less" : "more")} than the pixels of {size}", Remedy);
        }
    }

    // The decoder inflates whatever there is before it counts: a few kilobytes may be gigabytes.
    private static long InflatedBytes(string path, ArraySegment<byte> bytes, long most)
    {
        try
        {
            using var pixels = new ZLibStream(
                new MemoryStream(CompressedPixels(bytes)), CompressionMode.Decompress);
            var buffer = new byte[1 << 14];
            long found = 0;
            int read;
            while (found <= most && (read = pixels.Read(buffer)) > 0)
            {
                found += read;
            }

            return found;
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDatasetException(
                path, "its compressed pixels are damaged", Remedy, cause: e);
        }
    }

    // PNG, third edition, section 5.3: a chunk is its length, its type, its data and a checksum;
    // section 11.2.3: the data of all IDAT chunks are one compressed stream.
    private static byte[] CompressedPixels(ArraySegment<byte> bytes)
    {
        const int ChunkOverhead = 12, TypeOffset = 4, DataOffset = 8;
        var pixels = new MemoryStream();
        ReadOnlySpan<byte> rest = bytes.AsSpan(Png.Length);
        while (rest.Length >= ChunkOverhead)
        {
            uint length = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (length > rest.Length - ChunkOverhead)
            {
                break;
            }

            if (rest[TypeOffset..DataOffset].SequenceEqual("IDAT"u8))
            {
                pixels.Write(rest.Slice(DataOffset, (int)length));
            }

            rest = rest[((int)length + ChunkOverhead)..];
        }

        return pixels.ToArray();
    }

    // The library has no exception of its own: it fails as it happens to.
    private static T Guarded<T>(string path, Func<T> decode)
    {
        try
        {
            return decode();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            throw new InvalidDatasetException(
                path, $"it cannot be decoded: {e.Message}", Remedy, cause: e);
        }
    }

    /// <summary>An image's bytes, for a decoder that takes what is beyond the end for zeros, and
    /// may look there for ever.</summary>
    private sealed class ImageBytes(ArraySegment<byte> bytes)
        : MemoryStream(bytes.Array!, bytes.Offset, bytes.Count, writable: false)
    {
        private const int Patience = 64;

        private int _readsBeyond;

        public override int ReadByte() => Counted(base.ReadByte());

        public override int Read(byte[] buffer, int offset, int count) =>
            Counted(base.Read(buffer, offset, count));

        public override int Read(Span<byte> buffer) => Counted(base.Read(buffer));

        private int Counted(int read)
        {
            _readsBeyond += Position >= Length && read <= 0 ? 1 : 0;
            return _readsBeyond <= Patience
                ? read
                : throw new EndOfStreamException("the image goes on where the file ends");
        }
    }
}
