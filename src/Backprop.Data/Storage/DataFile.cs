using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Backprop.Data.Storage;

/// <summary>Opens files and takes bytes from them without trusting what they say of themselves.
/// </summary>
internal static class DataFile
{
    // No deflate stream expands further: RFC 1951, section 3.2.5, 258 bytes for two bits.
    private const int MaxDeflateExpansion = 1040;
    private const int FirstBufferBytes = 1 << 16;

    /// <summary>What gzip-compressed files begin with.</summary>
    public static ReadOnlySpan<byte> GzipMagic => [0x1F, 0x8B];

    /// <summary>Opens a file for reading.</summary>
    /// <exception cref="InvalidDatasetException">There is no such file, it may not be read, or it
    /// is empty.</exception>
    public static FileStream Open(string path)
    {
        FileStream stream = Opened(
            path, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read));
        if (stream.Length > 0)
        {
            return stream;
        }

        stream.Dispose();
        throw Empty(path);
    }

    /// <summary>Opens a file for reading anywhere in it, by several threads at once.</summary>
    /// <exception cref="InvalidDatasetException">As <see cref="Open"/>.</exception>
    public static SafeFileHandle OpenRandom(string path)
    {
        SafeFileHandle file = Opened(path, () => File.OpenHandle(
            path, FileMode.Open, FileAccess.Read, FileShare.Read, FileOptions.RandomAccess));
        if (RandomAccess.GetLength(file) > 0)
        {
            return file;
        }

        file.Dispose();
        throw Empty(path);
    }

    /// <summary>Opens a text, plain or gzip-compressed; the stream is read once, from its
    /// beginning.</summary>
    /// <exception cref="InvalidDatasetException">As <see cref="Open"/>; or, while it is read, the
    /// compressed data are damaged or too long.</exception>
    public static Stream OpenText(string path)
    {
        FileStream file = Open(path);
        return IsGzip(file) ? new DecompressedText(file, path) : file;
    }

    /// <summary>The text of a small file that lies beside another; null: there is none.</summary>
    /// <exception cref="InvalidDatasetException">It may not be read, is empty, or has more than a
    /// million bytes.</exception>
    public static string? TextBeside(string path, string name)
    {
        const int MaxBytes = 1_000_000;
        string beside = Path.Combine(Path.GetDirectoryName(path) ?? "", name);
        if (!File.Exists(beside))
        {
            return null;
        }

        using FileStream stream = Open(beside);
        if (stream.Length > MaxBytes)
        {
            throw new InvalidDatasetException(
                beside, $"it has {stream.Length:N0} bytes", $"it has at most {MaxBytes:N0}");
        }

        var bytes = new byte[stream.Length];
        ReadHeader(stream, beside, name, bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Whether a file is gzip-compressed; it is left at its beginning.</summary>
    public static bool IsGzip(FileStream file)
    {
        Span<byte> start = stackalloc byte[GzipMagic.Length];
        int read = file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return start[..read].SequenceEqual(GzipMagic);
    }

    /// <summary>Reads as many bytes of a header as <paramref name="destination"/> has room for.
    /// </summary>
    public static void ReadHeader(
        Stream stream, string path, string format, Span<byte> destination)
    {
        int read = Guarded(stream, path, destination);
        if (read < destination.Length)
        {
            throw new InvalidDatasetException(
                path, $"the file ends after {read} of {destination.Length} header bytes",
                $"give a whole {format} file", new DataPosition { ByteOffset = read });
        }
    }

    /// <summary>
    /// Reads exactly <paramref name="length"/> bytes to the end of a stream that was decompressed.
    /// Memory is taken as data arrive: a header's promise costs nothing until it is kept.
    /// </summary>
    /// <param name="stream">The decompressed stream, after the header.</param>
    /// <param name="path">The file, for messages.</param>
    /// <param name="compressedBytes">The size that the data were compressed to.</param>
    /// <param name="headerBytes">Bytes already read, for messages.</param>
    /// <param name="length">Bytes that the header promises.</param>
    public static byte[] ReadPayload(
        Stream stream, string path, long compressedBytes, long headerBytes, long length)
    {
        if (length > Array.MaxLength)
        {
            throw new InvalidDatasetException(
                path, $"{length:N0} bytes are too many to be decompressed into memory",
                "decompress the file: it is then mapped, not read");
        }

        if (length / MaxDeflateExpansion > compressedBytes)
        {
            throw Truncated(path, headerBytes, length, null);
        }

        var bytes = new byte[Math.Min(length, FirstBufferBytes)];
        int filled = 0;
        while (filled < length)
        {
            if (filled == bytes.Length)
            {
                Array.Resize(ref bytes, (int)Math.Min(length, 2L * bytes.Length));
            }

            int read = Guarded(stream, path, bytes.AsSpan(filled));
            if (read == 0)
            {
                throw Truncated(path, headerBytes, length, headerBytes + filled);
            }

            filled += read;
        }

        Span<byte> more = stackalloc byte[1];
        if (Guarded(stream, path, more) != 0)
        {
            throw Trailing(path, headerBytes + length);
        }

        return bytes;
    }

    /// <summary>Refuses a plain file whose size is not what its header promises.</summary>
    public static void RequireSize(
        string path, long fileBytes, long headerBytes, long payloadBytes)
    {
        if (fileBytes < headerBytes + payloadBytes)
        {
            throw Truncated(path, headerBytes, payloadBytes, fileBytes);
        }

        if (fileBytes > headerBytes + payloadBytes)
        {
            throw Trailing(path, headerBytes + payloadBytes);
        }
    }

    private static T Opened<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidDatasetException(
                path, "there is no such file",
                Path.IsPathRooted(path)
                    ? "name a file that is there"
                    : $"name a file; relative paths start from {Directory.GetCurrentDirectory()}",
                cause: e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new InvalidDatasetException(
                path, "it may not be read", "name a file that this user may read", cause: e);
        }
    }

    private static InvalidDatasetException Empty(string path) =>
        new(path, "the file is empty", "name a file with data");

    private static int Guarded(Stream stream, string path, Span<byte> destination)
    {
        try
        {
            return stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDatasetException(
                path, "the compressed data are damaged", "get the file again", cause: e);
        }
    }

    private static InvalidDatasetException Truncated(
        string path, long headerBytes, long payloadBytes, long? end) => new(
        path,
        $"the file is truncated: its header promises {headerBytes + payloadBytes:N0} bytes",
        "give the whole file", new DataPosition { ByteOffset = end });

    private static InvalidDatasetException Trailing(string path, long end) => new(
        path, $"data follow the {end:N0} bytes that the header promises",
        "give a file whose header counts all of its data",
        new DataPosition { ByteOffset = end });
}
