using Backprop.Distributed.Metering;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>Which part of a run a node has: where its frames go.</summary>
internal enum RunPart
{
    /// <summary>A slice: it takes pushes, losses, sums and requests.</summary>
    Slice,

    /// <summary>A replica: it takes broadcasts.</summary>
    Replica,

    /// <summary>Copies of slices: it takes them, offers of them and requests for them.</summary>
    Copies,
}

/// <summary>A frame for a run, and who sent it.</summary>
/// <param name="From">The sender.</param>
/// <param name="Arrival">The frame; whoever takes it disposes it.</param>
internal readonly record struct RunArrival(NodeId From, Arrival Arrival);

/// <summary>
/// What has arrived for a run's part and was not looked at yet. An actor that stops cannot empty
/// its mailbox, and a buffer in it would be lost to its link; so arrivals wait here, and the actor
/// is only woken.
/// </summary>
/// <remarks>Bounded by the windows of the links. Safe for any thread.</remarks>
internal sealed class RunInbox : IFrameGuard, IDisposable
{
    private readonly Lock _gate = new();
    private readonly Queue<RunArrival> _waiting = new();
    private readonly LinkHub _hub;
    private readonly IFrameGuard _guard;
    private readonly Action _wake;
    private int _isWoken;
    private bool _isClosed;

    /// <summary>An inbox; made by <see cref="LinkHub.Register"/>.</summary>
    internal RunInbox(
        LinkHub hub, RunPart part, RunHash run, IFrameGuard guard, Action wake)
    {
        _hub = hub;
        Part = part;
        Run = run;
        _guard = guard;
        _wake = wake;
        LinkMeter.Opened(this);
    }

    /// <summary>Which part.</summary>
    public RunPart Part { get; }

    /// <summary>The run.</summary>
    public RunHash Run { get; }

    /// <summary>Frames that wait.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _waiting.Count;
            }
        }
    }

    /// <inheritdoc/>
    public FrameVerdict Check(in FrameHeader header) => _guard.Check(header);

    /// <summary>Takes in a frame; after the end it is disposed at once.</summary>
    public void Deliver(NodeId from, Arrival arrival)
    {
        bool isClosed;
        lock (_gate)
        {
            isClosed = _isClosed;
            if (!isClosed)
            {
                _waiting.Enqueue(new RunArrival(from, arrival));
            }
        }

        if (isClosed)
        {
            arrival.Dispose();
            return;
        }

        Wake();
    }

    /// <summary>Has the owner look, once however often it is asked before it does.</summary>
    public void Wake()
    {
        if (Interlocked.Exchange(ref _isWoken, 1) == 0)
        {
            _wake();
        }
    }

    /// <summary>The owner begins to look: what comes from now on wakes it again.</summary>
    public void BeginLook() => Interlocked.Exchange(ref _isWoken, 0);

    /// <summary>The next frame; false: there is none.</summary>
    public bool TryTake(out RunArrival arrival)
    {
        lock (_gate)
        {
            return _waiting.TryDequeue(out arrival);
        }
    }

    /// <summary>Takes no more frames, and lets go of those that wait.</summary>
    public void Dispose()
    {
        _hub.Unregister(this);
        LinkMeter.Ended(this);
        lock (_gate)
        {
            _isClosed = true;
        }

        while (TryTake(out RunArrival waiting))
        {
            waiting.Arrival.Dispose();
        }
    }
}
