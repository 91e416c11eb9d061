using System.IO.MemoryMappedFiles;

namespace Backprop.Data.Storage;

/// <summary>Bytes that can be read anywhere without allocation: in memory, or in a mapped file that
/// may be larger than memory.</summary>
internal abstract class ByteStore : IDisposable
{
    /// <summary>Bytes.</summary>
    public abstract long Length { get; }

    /// <summary>A part of the bytes; valid until the store is disposed.</summary>
    public abstract ReadOnlySpan<byte> Slice(long offset, int length);

    /// <inheritdoc/>
    public abstract void Dispose();
}

/// <summary>Bytes in an array.</summary>
internal sealed class MemoryBytes(byte[] bytes) : ByteStore
{
    /// <inheritdoc/>
    public override long Length => bytes.Length;

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Slice(long offset, int length) =>
        bytes.AsSpan(checked((int)offset), length);

    /// <inheritdoc/>
    public override void Dispose()
    {
    }
}

/// <summary>A whole file, mapped. The file must not be changed while it is in use.</summary>
internal sealed unsafe class MappedBytes : ByteStore
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _pointer;
    private bool _disposed;

    /// <summary>Maps an open file, which is not empty, and keeps it open.</summary>
    public MappedBytes(FileStream stream)
    {
        Length = stream.Length;
        _file = MemoryMappedFile.CreateFromFile(
            stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None,
            leaveOpen: false);
        _view = _file.CreateViewAccessor(0, Length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _pointer);
        _pointer += _view.PointerOffset;
    }

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override ReadOnlySpan<byte> Slice(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new ReadOnlySpan<byte>(_pointer + offset, length);
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }
}
