using System.Runtime.InteropServices;

namespace Backprop.Engine;

/// <summary>
/// A block of floats outside the managed heap: 64-byte aligned, zeroed, never moved, followed by
/// <see cref="SlackFloats"/> zeroed floats that kernels may read, and never write, past its end.
/// </summary>
/// <remarks>Allocated once, when a network or a batch is made; a training step allocates none.
/// </remarks>
public sealed unsafe class AlignedBuffer : IDisposable
{
    /// <summary>Alignment of the first element, in bytes: one cache line, one 512-bit
    /// vector.</summary>
    public const int Alignment = 64;

    /// <summary>Readable floats past the end, so that a vector load of a row's tail needs no
    /// branch. They are zeroed: denormal rubbish there was measured to cost a factor of
    /// 2.7.</summary>
    public const int SlackFloats = 64;

    private float* _pointer;

    /// <summary>Allocates <paramref name="length"/> zeroed floats.</summary>
    /// <exception cref="InsufficientMemoryException">The system has no such memory to
    /// give.</exception>
    public AlignedBuffer(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        nuint bytes = ((nuint)length + SlackFloats) * sizeof(float);
        try
        {
            _pointer = (float*)NativeMemory.AlignedAlloc(bytes, Alignment);
        }
        catch (OutOfMemoryException)
        {
            throw new InsufficientMemoryException(
                $"no memory for a buffer of {length:N0} floats ({bytes / (1024.0 * 1024):N1} MiB)");
        }

        NativeMemory.Clear(_pointer, bytes);
        Length = length;
        GC.AddMemoryPressure((long)bytes);
    }

    /// <summary>Frees the memory of a buffer that nobody disposed.</summary>
    ~AlignedBuffer() => Free();

    /// <summary>Number of floats, without the slack.</summary>
    public int Length { get; }

    /// <summary>The whole buffer, without the slack.</summary>
    public Span<float> Span => new(Pointer, Length);

    /// <summary>The first element. Valid until <see cref="Dispose"/>: whoever keeps it keeps the
    /// buffer as well.</summary>
    /// <exception cref="ObjectDisposedException">The buffer was disposed.</exception>
    public float* Pointer
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer is null, this);
            return _pointer;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (_pointer is null)
        {
            return;
        }

        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
        GC.RemoveMemoryPressure(((long)Length + SlackFloats) * sizeof(float));
    }
}
