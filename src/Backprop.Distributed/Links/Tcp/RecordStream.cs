namespace Backprop.Distributed.Links.Tcp;

/// <summary>
/// Between TLS and its socket: gathers records, which have 16 KiB at most, until they are flushed,
/// and reads several at a time. Without it every record is a call of the system at either end, and
/// wakes the one who receives.
/// </summary>
/// <param name="socket">Owned.</param>
internal sealed class RecordStream(Stream socket) : Stream
{
    private const int GatheredBytes = 1 << 17;

    private readonly Lock _writing = new();
    private readonly byte[] _out = new byte[GatheredBytes];
    private readonly byte[] _in = new byte[GatheredBytes];
    private int _gathered;
    private int _start;
    private int _end;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override bool CanTimeout => true;

    public override int ReadTimeout
    {
        get => socket.ReadTimeout;
        set => socket.ReadTimeout = value;
    }

    public override int WriteTimeout
    {
        get => socket.WriteTimeout;
        set => socket.WriteTimeout = value;
    }

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        if (_start == _end)
        {
            if (buffer.Length >= _in.Length)
            {
                return socket.Read(buffer);
            }

            _start = 0;
            _end = 0;
            _end = socket.Read(_in);
        }

        int count = Math.Min(buffer.Length, _end - _start);
        _in.AsSpan(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) =>
        Read(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        // TLS may have an answer of its own to write while the other thread writes.
        lock (_writing)
        {
            while (!buffer.IsEmpty)
            {
                int count = Math.Min(buffer.Length, _out.Length - _gathered);
                buffer[..count].CopyTo(_out.AsSpan(_gathered));
                buffer = buffer[count..];
                _gathered += count;
                if (_gathered == _out.Length)
                {
                    WriteGathered();
                }
            }
        }
    }

    public override void Write(byte[] buffer, int offset, int count) =>
        Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
        lock (_writing)
        {
            WriteGathered();
        }
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            socket.Dispose();
        }

        base.Dispose(disposing);
    }

    private void WriteGathered()
    {
        if (_gathered > 0)
        {
            int count = _gathered;
            _gathered = 0;
            socket.Write(_out, 0, count);
        }
    }
}
