using System.Diagnostics;
using Backprop.Distributed.Metering;
using Backprop.Engine;

namespace Backprop.Distributed.Links;

/// <summary>What a link's sending thread does next.</summary>
internal enum SendWorkKind
{
    /// <summary>Send a frame, and before it the credits, if any.</summary>
    Frame,

    /// <summary>Finish a frame that another thread has begun to send.</summary>
    Rest,

    /// <summary>Send credits alone.</summary>
    Credit,

    /// <summary>Nothing has been sent for a while.</summary>
    Heartbeat,

    /// <summary>A frame has waited too long for credit.</summary>
    Starved,

    /// <summary>Say goodbye and end.</summary>
    Close,
}

/// <summary>What a link's sending thread does next.</summary>
/// <param name="Kind">What.</param>
/// <param name="BulkCredits">Bulk frames to grant the peer.</param>
/// <param name="SmallCredits">Small frames to grant the peer.</param>
internal readonly record struct SendWork(SendWorkKind Kind, int BulkCredits, int SmallCredits);

/// <summary>
/// What a link has to send. Each lane has a bounded queue and the credits that the peer granted;
/// credits for the peer and the goodbye are states, not entries, so nothing can block them.
/// </summary>
internal sealed class SendQueue(LinkOptions options)
{
    private readonly object _gate = new();
    private readonly FrameRing _bulk = new(options.BulkQueue);
    private readonly FrameRing _small = new(options.SmallQueue);
    private readonly Stack<byte[]> _smallPayloads = new();
    private int _bulkCredits;
    private int _smallCredits;
    private int _bulkWindow;
    private int _smallWindow;
    private int _bulkToGrant;
    private int _smallToGrant;

    // What the peer may still send, as far as it has been told.
    private int _bulkOfPeer = options.BulkWindow;
    private int _smallOfPeer = options.SmallWindow;
    private bool _closed;

    // Who may write: the sending thread, from one look for work to the next; or, shortly, another
    // one, while there is nothing else to send.
    private bool _isSending;
    private bool _isSentAtOnce;
    private QueuedFrame? _begun;
    private long _lastSent;
    private long? _starvedSince;

    /// <summary>Pieces that wait.</summary>
    public int BulkCount
    {
        get
        {
            lock (_gate)
            {
                return _bulk.Count;
            }
        }
    }

    /// <summary>Small frames that wait.</summary>
    public int SmallCount
    {
        get
        {
            lock (_gate)
            {
                return _small.Count;
            }
        }
    }

    /// <summary>Whether what waits lacks credit.</summary>
    public bool IsStarved
    {
        get
        {
            lock (_gate)
            {
                return _starvedSince is not null;
            }
        }
    }

    /// <summary>The link is open: the peer grants its windows to begin with. Called before the
    /// sending thread starts.</summary>
    public void Open(int bulkWindow, int smallWindow)
    {
        lock (_gate)
        {
            _bulkCredits = _bulkWindow = bulkWindow;
            _smallCredits = _smallWindow = smallWindow;
            _lastSent = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>Queues a piece.</summary>
    public SendResult TryAdd(
        in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return SendResult.Closed;
            }

            if (!_bulk.TryAdd(new QueuedFrame(header, buffer, start, completion, null)))
            {
                return SendResult.QueueFull;
            }

            Monitor.PulseAll(_gate);
            return SendResult.Queued;
        }
    }

    /// <summary>Queues a copy of a small frame.</summary>
    public SendResult TryAdd(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        lock (_gate)
        {
            if (_closed)
            {
                return SendResult.Closed;
            }

            if (_small.Count == options.SmallQueue)
            {
                return SendResult.QueueFull;
            }

            byte[] copy = _smallPayloads.TryPop(out byte[]? free)
                ? free
                : GC.AllocateUninitializedArray<byte>(FrameHeader.MaxSmallBytes, pinned: true);
            payload.CopyTo(copy);
            _small.TryAdd(new QueuedFrame(header, null, 0, null, copy));
            Monitor.PulseAll(_gate);
            return SendResult.Queued;
        }
    }

    /// <summary>Lets the calling thread send a frame itself, without waiting: if nothing is being
    /// sent, nothing else is to be, and there is credit, which is taken. Then
    /// <see cref="EndAtOnce"/> follows.</summary>
    /// <param name="lane">The frame's.</param>
    /// <param name="work">The credits to send before it.</param>
    public bool TryBeginAtOnce(FrameLane lane, out SendWork work)
    {
        lock (_gate)
        {
            int credits = lane == FrameLane.Bulk ? _bulkCredits : _smallCredits;
            if (_closed || _isSending || _isSentAtOnce || _begun is not null || credits == 0
                || _bulk.Count + _small.Count > 0)
            {
                work = default;
                return false;
            }

            _isSentAtOnce = true;
            if (lane == FrameLane.Bulk)
            {
                _bulkCredits--;
            }
            else
            {
                _smallCredits--;
            }

            work = TakeGrants(SendWorkKind.Frame);
            return true;
        }
    }

    /// <summary>The calling thread has sent what could be sent without waiting.</summary>
    /// <param name="begun">The frame, if the sending thread is to finish it; null: it is sent.
    /// </param>
    public void EndAtOnce(in QueuedFrame? begun)
    {
        lock (_gate)
        {
            _isSentAtOnce = false;
            _begun = begun;
            if (_closed || begun is not null || _bulk.Count + _small.Count > 0 || IsGrantDue)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>The peer has sent a frame of this lane. Once it has none left it is told at once of
    /// those that it may have again.</summary>
    public void Received(FrameLane lane)
    {
        lock (_gate)
        {
            if (lane == FrameLane.Bulk)
            {
                _bulkOfPeer--;
            }
            else
            {
                _smallOfPeer--;
            }

            if (IsGrantDue)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>The peer may have another frame of this lane. It is told at once only when several
    /// have come together, or when it has none left; else with the next frame that goes its way.
    /// </summary>
    public void Grant(FrameLane lane)
    {
        lock (_gate)
        {
            if (lane == FrameLane.Bulk)
            {
                _bulkToGrant++;
            }
            else
            {
                _smallToGrant++;
            }

            if (IsGrantDue)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    /// <summary>The peer granted frames; false when that is more than it has room for.</summary>
    public bool TryAddCredits(int bulk, int small)
    {
        lock (_gate)
        {
            if (bulk > _bulkWindow - _bulkCredits || small > _smallWindow - _smallCredits)
            {
                return false;
            }

            _bulkCredits += bulk;
            _smallCredits += small;
            Monitor.PulseAll(_gate);
            return true;
        }
    }

    /// <summary>Takes no more and lets <see cref="Take"/> answer with the goodbye.</summary>
    public void Close()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits for something to do.</summary>
    /// <param name="heartbeat">After this long without anything sent: a heartbeat.</param>
    /// <param name="frame">What to send where the work is a frame; it has taken its credit.</param>
    public SendWork Take(TimeSpan heartbeat, out QueuedFrame frame)
    {
        frame = default;
        lock (_gate)
        {
            _isSending = false;
            while (true)
            {
                TimeSpan wait = heartbeat;
                if (!_isSentAtOnce && TryTake(heartbeat, ref frame, ref wait) is { } work)
                {
                    _isSending = true;
                    return work;
                }

                Monitor.Wait(_gate, wait);
            }
        }
    }

    /// <summary>Takes a frame that will not be sent; false when there is none left.</summary>
    public bool TryTakeUnsent(out QueuedFrame frame)
    {
        lock (_gate)
        {
            bool any = _bulk.Count + _small.Count > 0;
            frame = _bulk.Count > 0 ? _bulk.Take() : any ? _small.Take() : default;
            return any;
        }
    }

    /// <summary>Takes the memory of a small frame back.</summary>
    public void Recycle(byte[] payload)
    {
        lock (_gate)
        {
            _smallPayloads.Push(payload);
        }
    }

    // Credits cost both ends a wake-up, and a peer does not miss them that has others left. One
    // that has none waits: what this end holds may be held until the peer's next frame is here.
    private bool IsGrantDue =>
        IsDue(_bulkToGrant, _bulkOfPeer, options.BulkWindow)
        || IsDue(_smallToGrant, _smallOfPeer, options.SmallWindow);

    private static bool IsDue(int toGrant, int ofPeer, int window) =>
        toGrant > 0 && (ofPeer == 0 || toGrant >= window / 2);

    // Null: there is nothing to do for some time to come.
    private SendWork? TryTake(TimeSpan heartbeat, ref QueuedFrame frame, ref TimeSpan wait)
    {
        if (_begun is { } begun)
        {
            frame = begun;
            _begun = null;
            return new SendWork(SendWorkKind.Rest, 0, 0);
        }

        if (_closed)
        {
            return new SendWork(SendWorkKind.Close, 0, 0);
        }

        return TryTake(ref frame) is { } work
            ? work
            : TimeIsUp(heartbeat, ref wait) is { } late ? new SendWork(late, 0, 0) : null;
    }

    private SendWork? TryTake(ref QueuedFrame frame)
    {
        SendWorkKind kind;
        if (_small.Count > 0 && _smallCredits > 0)
        {
            kind = SendWorkKind.Frame;
            frame = _small.Take();
            _smallCredits--;
        }
        else if (_bulk.Count > 0 && _bulkCredits > 0)
        {
            kind = SendWorkKind.Frame;
            frame = _bulk.Take();
            _bulkCredits--;
        }
        else if (IsGrantDue)
        {
            kind = SendWorkKind.Credit;
        }
        else
        {
            return null;
        }

        if (kind == SendWorkKind.Frame && _starvedSince is { } since)
        {
            LinkMeter.Starved(since);
            _starvedSince = null;
        }

        return TakeGrants(kind);
    }

    private SendWork TakeGrants(SendWorkKind kind)
    {
        var work = new SendWork(kind, _bulkToGrant, _smallToGrant);
        _bulkOfPeer += _bulkToGrant;
        _smallOfPeer += _smallToGrant;
        _bulkToGrant = 0;
        _smallToGrant = 0;
        _lastSent = Stopwatch.GetTimestamp();
        return work;
    }

    // Called when nothing can be sent: what waits lacks credit.
    private SendWorkKind? TimeIsUp(TimeSpan heartbeat, ref TimeSpan wait)
    {
        if (_small.Count == 0 && _bulk.Count == 0)
        {
            _starvedSince = null;
        }
        else
        {
            _starvedSince ??= Stopwatch.GetTimestamp();
            TimeSpan left = options.FrameDeadline - Stopwatch.GetElapsedTime(_starvedSince.Value);
            if (left <= TimeSpan.Zero)
            {
                return SendWorkKind.Starved;
            }

            wait = left < wait ? left : wait;
        }

        TimeSpan untilHeartbeat = heartbeat - Stopwatch.GetElapsedTime(_lastSent);
        if (untilHeartbeat <= TimeSpan.Zero)
        {
            _lastSent = Stopwatch.GetTimestamp();
            return SendWorkKind.Heartbeat;
        }

        wait = untilHeartbeat < wait ? untilHeartbeat : wait;
        return null;
    }
}
