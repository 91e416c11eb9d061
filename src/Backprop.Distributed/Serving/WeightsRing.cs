using Backprop.Distributed.Links;
using Backprop.Engine;

namespace Backprop.Distributed.Serving;

/// <summary>A slice's weights in one version, which links may still be sending.</summary>
/// <param name="length">Parameters of the slice.</param>
internal sealed class SharedWeights(int length)
{
    private const int Retired = 1 << 30;

    // Frames that links still have; with Retired added once nobody needs the weights themselves.
    private int _holders;

    /// <summary>[parameters of the slice].</summary>
    public AlignedBuffer Buffer { get; } = new(length);

    /// <summary>Whether no link has it.</summary>
    public bool IsFree => Volatile.Read(ref _holders) == 0;

    /// <summary>A link is about to have it.</summary>
    public void Hold() => Interlocked.Increment(ref _holders);

    /// <summary>A link no longer has it.</summary>
    public void Release()
    {
        if (Interlocked.Decrement(ref _holders) == Retired)
        {
            Buffer.Dispose();
        }
    }

    /// <summary>Frees the memory, at once or when no link has it.</summary>
    public void Retire()
    {
        if (Interlocked.Add(ref _holders, Retired) == Retired)
        {
            Buffer.Dispose();
        }
    }
}

/// <summary>The buffers that a slice's versions take turns in: the one of now, and older ones that
/// links are still sending.</summary>
internal sealed class WeightsRing
{
    /// <summary>One of now, one to write, and one that a link may be late with.</summary>
    public const int Count = 3;

    private readonly SharedWeights[] _buffers;

    /// <summary>Buffers for slices of so many parameters.</summary>
    public WeightsRing(int length)
    {
        _buffers = [.. Enumerable.Range(0, Count).Select(_ => new SharedWeights(length))];
        Current = _buffers[0];
    }

    /// <summary>The version of now.</summary>
    public SharedWeights Current { get; private set; }

    /// <summary>The version before, until the next one is written; null: there is none.</summary>
    public SharedWeights? Previous { get; private set; }

    /// <summary>A buffer that may be written; false: links still have all of them.</summary>
    public bool TryFindFree(out SharedWeights free)
    {
        foreach (SharedWeights buffer in _buffers)
        {
            if (buffer != Current && buffer.IsFree)
            {
                free = buffer;
                return true;
            }
        }

        free = Current;
        return false;
    }

    /// <summary>Another buffer has the version of now.</summary>
    public void Advance(SharedWeights next) => (Previous, Current) = (Current, next);

    /// <summary>The version before is that of now.</summary>
    /// <exception cref="InvalidOperationException">There is none.</exception>
    public void GoBack()
    {
        Current = Previous ?? throw new InvalidOperationException("there is no version before");
        Previous = null;
    }

    /// <summary>Lets go of everything.</summary>
    public void Retire() => Array.ForEach(_buffers, buffer => buffer.Retire());
}

/// <summary>Counts the frames of one buffer that a link to one receiver has.</summary>
/// <param name="weights">The buffer.</param>
/// <param name="released">Told, on a thread of a link, when it has one less.</param>
internal sealed class SentWeights(SharedWeights weights, AwaitedRelease released) : ISendCompletion
{
    private int _queued;

    /// <summary>The buffer.</summary>
    public SharedWeights Weights => weights;

    /// <summary>Whether the link has any.</summary>
    public bool IsUnderWay => Volatile.Read(ref _queued) > 0;

    /// <summary>A frame is about to be queued.</summary>
    public void Hold()
    {
        weights.Hold();
        Interlocked.Increment(ref _queued);
    }

    /// <summary>A frame was not queued after all.</summary>
    public void Release()
    {
        Interlocked.Decrement(ref _queued);
        weights.Release();
    }

    /// <inheritdoc/>
    public void OnReleased(in FrameHeader header, bool sent)
    {
        Release();
        released.Tell();
    }
}

/// <summary>Wakes a slice when a link has sent something, if the slice waits for that: most of the
/// time it does not, and to be woken for each piece would cost more than to send it.</summary>
/// <param name="wake">Called on a thread of a link.</param>
internal sealed class AwaitedRelease(Action wake)
{
    private int _isAwaited;

    /// <summary>Whether the slice waits.</summary>
    public bool IsAwaited => Volatile.Read(ref _isAwaited) != 0;

    /// <summary>From now on the slice is woken. What it waits for may have come just before: it
    /// looks once more after this.</summary>
    public void Await() => Interlocked.Exchange(ref _isAwaited, 1);

    /// <summary>It no longer waits.</summary>
    public void Forget() => Volatile.Write(ref _isAwaited, 0);

    /// <summary>A link has sent a piece, and has let go of it before.</summary>
    public void Tell()
    {
        // Both sides write before they look, with a fence between: one of them sees the other.
        Interlocked.MemoryBarrier();
        if (IsAwaited)
        {
            wake();
        }
    }
}
