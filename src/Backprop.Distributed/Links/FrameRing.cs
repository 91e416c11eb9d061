using Backprop.Engine;

namespace Backprop.Distributed.Links;

/// <summary>A frame that waits to be sent.</summary>
/// <param name="Header">Its header.</param>
/// <param name="Buffer">Where a piece's elements are; null for a small frame.</param>
/// <param name="Start">The first of them.</param>
/// <param name="Completion">Hears when they are no longer needed.</param>
/// <param name="Bytes">A small frame's payload, at the front; null for a piece.</param>
internal readonly record struct QueuedFrame(
    FrameHeader Header,
    AlignedBuffer? Buffer,
    int Start,
    ISendCompletion? Completion,
    byte[]? Bytes);

/// <summary>A queue of bounded length that allocates nothing once it is made.</summary>
internal sealed class FrameRing(int capacity)
{
    private readonly QueuedFrame[] _frames = new QueuedFrame[capacity];
    private int _first;

    /// <summary>Frames in the queue.</summary>
    public int Count { get; private set; }

    /// <summary>Adds a frame; false when the queue is full.</summary>
    public bool TryAdd(in QueuedFrame frame)
    {
        if (Count == _frames.Length)
        {
            return false;
        }

        _frames[(_first + Count) % _frames.Length] = frame;
        Count++;
        return true;
    }

    /// <summary>Takes the first frame; the queue must not be empty.</summary>
    public QueuedFrame Take()
    {
        QueuedFrame frame = _frames[_first];
        _frames[_first] = default;
        _first = (_first + 1) % _frames.Length;
        Count--;
        return frame;
    }
}
