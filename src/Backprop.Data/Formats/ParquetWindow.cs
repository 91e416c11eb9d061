namespace Backprop.Data.Formats;

/// <summary>
/// The part of a file that a library may read. Beyond it there is no end of the file, as which
/// Parquet.Net takes the byte 0xFF, again and again, but an error.
/// </summary>
internal sealed class ParquetWindow(FileStream file) : Stream
{
    private long _start;
    private long _end = file.Length;

    public override bool CanRead => true;

    public override bool CanSeek => true;

    public override bool CanWrite => false;

    public override long Length => file.Length;

    public override long Position
    {
        get => file.Position;
        set => file.Position = value;
    }

    /// <summary>Sets what may be read.</summary>
    public void Allow(long start, long end) => (_start, _end) = (start, end);

    public override int Read(Span<byte> buffer)
    {
        RequireInside(Math.Min(buffer.Length, 1));
        return file.Read(buffer[..(int)Math.Min(_end - file.Position, buffer.Length)]);
    }

    public override int Read(byte[] buffer, int offset, int count) =>
        Read(buffer.AsSpan(offset, count));

    public override int ReadByte()
    {
        RequireInside(1);
        return file.ReadByte();
    }

    // Whoever asks waits in any case, and so the thread that reads is the one that decodes.
    public override ValueTask<int> ReadAsync(
        Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Read(buffer.Span));

    public override Task<int> ReadAsync(
        byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Task.FromResult(Read(buffer, offset, count));

    public override long Seek(long offset, SeekOrigin origin) => file.Seek(offset, origin);

    public override void Flush()
    {
    }

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException();

    private void RequireInside(int bytes)
    {
        if (file.Position < _start || file.Position + bytes > _end)
        {
            throw new InvalidDataException("values are read where they do not lie");
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            file.Dispose();
        }

        base.Dispose(disposing);
    }
}
