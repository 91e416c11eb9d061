using System.Runtime.InteropServices;
using Backprop.Engine;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>A frame that has arrived: its header, and its payload where it was received. Whoever
/// has it reads it and disposes it, once; it is used again for another frame then.</summary>
public sealed class Arrival : IDisposable
{
    private readonly AlignedBuffer? _owned;
    private AlignedBuffer? _buffer;
    private int _start;
    private unsafe float* _shared;
    private IArrivalSource? _source;
    private FrameHeader _header;

    /// <summary>An arrival that receives into a buffer of its own, or, without one, points to the
    /// sender's, or to memory that is shared with the sender.</summary>
    internal Arrival(AlignedBuffer? owned = null) => _owned = owned;

    /// <summary>What has arrived.</summary>
    public ref readonly FrameHeader Header => ref _header;

    /// <summary>The payload of a piece that travels as it is:
    /// [<see cref="FrameHeader.ElementCount"/>].</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    /// <exception cref="InvalidOperationException">It is encoded otherwise.</exception>
    public ReadOnlySpan<float> Elements
    {
        get
        {
            RequireEncoding(ElementEncoding.Fp32);
            return Memory[..Header.ElementCount];
        }
    }

    /// <summary>The payload of a piece that travels as bfloat16 numbers:
    /// [<see cref="FrameHeader.ElementCount"/>].</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    /// <exception cref="InvalidOperationException">It is encoded otherwise.</exception>
    public ReadOnlySpan<ushort> RoundedElements
    {
        get
        {
            RequireEncoding(ElementEncoding.Bf16);
            return MemoryMarshal.Cast<float, ushort>(Memory)[..Header.ElementCount];
        }
    }

    /// <summary>The payload, little-endian; aligned to a float at least.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed.</exception>
    public ReadOnlySpan<byte> Payload => MemoryMarshal.AsBytes(Memory)[..Header.PayloadBytes];

    /// <summary>Who waits for the sender's buffer, where the arrival points to it.</summary>
    internal ISendCompletion? Completion { get; private set; }

    private unsafe Span<float> Memory
    {
        get
        {
            if (_shared is not null)
            {
                return new Span<float>(_shared, FrameHeader.MaxPieceBytes / sizeof(float));
            }

            AlignedBuffer? buffer = _buffer;
            ObjectDisposedException.ThrowIf(buffer is null, this);
            return buffer.Span[_start..];
        }
    }

    /// <summary>Gives the buffer back, which makes room for another frame.</summary>
    /// <exception cref="InvalidOperationException">It was disposed before.</exception>
    public unsafe void Dispose()
    {
        IArrivalSource source = Interlocked.Exchange(ref _source, null)
            ?? throw new InvalidOperationException("an arrival was disposed twice");
        _buffer = null;
        _shared = null;
        source.Return(this);
    }

    /// <summary>Begins to receive a frame into the buffer of its own.</summary>
    /// <returns>Where the payload goes.</returns>
    internal Span<byte> Begin(in FrameHeader header, IArrivalSource source)
    {
        Begin(header, _owned!, 0, null, source);
        return MemoryMarshal.AsBytes(Memory)[..header.PayloadBytes];
    }

    /// <summary>Points to a sender's buffer.</summary>
    internal void Begin(
        in FrameHeader header,
        AlignedBuffer buffer,
        int start,
        ISendCompletion? completion,
        IArrivalSource source)
    {
        _header = header;
        _buffer = buffer;
        _start = start;
        Completion = completion;
        _source = source;
    }

    /// <summary>Points to memory that is shared with the sender.</summary>
    /// <param name="header">What has arrived.</param>
    /// <param name="memory">The payload; as much may be read as the longest has.</param>
    /// <param name="source">Keeps the memory until the arrival has come back.</param>
    internal unsafe void Begin(in FrameHeader header, float* memory, IArrivalSource source)
    {
        _header = header;
        _shared = memory;
        Completion = null;
        _source = source;
    }

    private void RequireEncoding(ElementEncoding encoding)
    {
        if (Header.Encoding != encoding)
        {
            throw new InvalidOperationException($"the elements are {Header.Encoding}");
        }
    }

    /// <summary>Frees the buffer of its own; it is not used again.</summary>
    internal void FreeBuffer() => _owned?.Dispose();
}

/// <summary>Where an arrival goes back to.</summary>
internal interface IArrivalSource
{
    /// <summary>The arrival was disposed, on any thread.</summary>
    void Return(Arrival arrival);
}
