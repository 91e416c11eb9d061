using System.Buffers.Binary;
using System.IO.Compression;

namespace Backprop.Data.Storage;

/// <summary>A gzip-compressed text as it is read from its beginning: a damaged file is refused, and
/// one that grows beyond all measure.</summary>
/// <param name="file">The file, from its beginning; disposed with this.</param>
/// <param name="path">The file, for messages.</param>
internal sealed class DecompressedText(FileStream file, string path) : Stream
{
    /// <summary>The longest text that is taken from a compressed file.</summary>
    public const long MaxBytes = 1L << 30;

    private readonly GZipStream _text = new(file, CompressionMode.Decompress);
    private readonly uint _length = LengthOf(file);
    private long _read;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => _read;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            int read = _text.Read(buffer);
            _read += read;
            if (read == 0 && !buffer.IsEmpty)
            {
                RequireEnd();
            }

            return _read <= MaxBytes
                ? read
                : throw new InvalidDatasetException(
                    path, $"it has more than {MaxBytes:N0} bytes when it is decompressed",
                    "decompress the file, or part it");
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDatasetException(
                path, "the compressed data are damaged", "get the file again", cause: e);
        }
    }

    public override int Read(byte[] buffer, int offset, int count) =>
        Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException();

    // RFC 1952, section 2.3.1: the last four bytes are the length of the text, modulo 2^32. A file
    // that was cut off is inflated as far as it goes, and nobody says so.
    private static uint LengthOf(FileStream file)
    {
        Span<byte> length = stackalloc byte[sizeof(uint)];
        file.Position = Math.Max(0, file.Length - length.Length);
        int read = file.ReadAtLeast(length, length.Length, throwOnEndOfStream: false);
        file.Position = 0;
        return read == length.Length ? BinaryPrimitives.ReadUInt32LittleEndian(length) : 0;
    }

    private void RequireEnd()
    {
        if ((uint)_read != _length)
        {
            throw new InvalidDatasetException(
                path, "the compressed data end too soon, or are of several parts",
                "get the file again, or compress it in one part");
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _text.Dispose();
        }

        base.Dispose(disposing);
    }
}
