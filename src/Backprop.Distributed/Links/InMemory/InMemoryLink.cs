using Backprop.Distributed.Metering;
using Backprop.Engine;

namespace Backprop.Distributed.Links.InMemory;

/// <summary>
/// One end of a link within a process. Its thread takes what the other end has queued and gives it
/// to this end's owner, as the receiving thread of a TCP link does.
/// </summary>
internal sealed class InMemoryLink : ITensorLink, IArrivalSource
{
    private readonly InMemoryTransport _transport;
    private readonly ILinkOwner _owner;
    private readonly IFrameGuard _guard;
    private readonly SendQueue _queue;
    private readonly Lock _gate = new();
    private readonly Stack<Arrival> _pointers = new();
    private readonly CancellationTokenSource _closing = new();
    private ReceiveLane? _small;
    private InMemoryLink? _other;
    private Thread? _thread;
    private LinkEnd? _end;

    public InMemoryLink(InMemoryTransport transport, ILinkOwner owner, IFrameGuard guard)
    {
        _transport = transport;
        _owner = owner;
        _guard = guard;
        _queue = new SendQueue(transport.Options);
    }

    /// <inheritdoc/>
    public LinkIdentity? Peer { get; private set; }

    /// <inheritdoc/>
    public SendResult TrySend(
        in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion)
    {
        SendChecks.Piece(header, buffer, start);
        return _queue.TryAdd(header, buffer, start, completion);
    }

    /// <inheritdoc/>
    public SendResult TrySend(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        SendChecks.Small(header, payload);
        return _queue.TryAdd(header, payload);
    }

    /// <inheritdoc/>
    public void Close(string reason) => End(new LinkEnd(LinkEndKind.Closed, reason));

    /// <inheritdoc/>
    public void Dispose()
    {
        Close("the link was disposed");
        if (Thread.CurrentThread != _thread)
        {
            _thread?.Join();
        }
    }

    /// <summary>Starts the link's thread.</summary>
    public void Start(ThreadStart run)
    {
        _thread = new Thread(run) { IsBackground = true, Name = "link in memory" };
        _thread.Start();
    }

    /// <summary>Looks for the listener, a few times, and runs the link to its end.</summary>
    public void Dial(LinkAddress address)
    {
        try
        {
            TryRepeatedly(address);
        }
        catch (LinkEndedException ended)
        {
            End(ended.End);
            Finish();
            return;
        }

        Run();
    }

    /// <summary>Joins this end to the other; done for both ends before either runs.</summary>
    /// <exception cref="LinkEndedException">There are no buffers for another link.</exception>
    public void Join(InMemoryLink other, LinkIdentity peer)
    {
        LinkOptions options = _transport.Options;
        if (!_transport.SmallPool.TryReserve(options.SmallWindow))
        {
            throw new LinkEndedException(
                LinkEndKind.NotOpened,
                $"node {_transport.Identity.Node} has no receive buffers left for another link");
        }

        _small = new ReceiveLane(
            _transport.SmallPool, options.SmallWindow, () => other._queue.TryAddCredits(0, 1));
        _other = other;
        Peer = peer;
        other._queue.Open(options.BulkWindow, options.SmallWindow);
    }

    /// <summary>Runs the link to its end.</summary>
    public void Run()
    {
        InMemoryLink other = _other!;
        LinkMeter.Opened(_queue);
        try
        {
            _owner.OnOpened(this);
            while (true)
            {
                ReceiveFrame(other);
            }
        }
        catch (LinkEndedException ended)
        {
            End(ended.End);
        }
        catch (Exception failure)
        {
            End(new LinkEnd(
                LinkEndKind.Closed,
                $"the link's owner failed: {failure.GetType().Name}: {failure.Message}"));
        }

        Finish();
    }

    /// <summary>The end does not run after all.</summary>
    public void Abandon() => _small?.End();

    /// <summary>A piece that pointed to the other end's buffer was disposed.</summary>
    void IArrivalSource.Return(Arrival arrival)
    {
        FrameHeader header = arrival.Header;
        ISendCompletion? completion = arrival.Completion;
        lock (_gate)
        {
            _pointers.Push(arrival);
        }

        completion?.OnReleased(header, sent: true);
        _other!._queue.TryAddCredits(1, 0);
    }

    private void TryRepeatedly(LinkAddress address)
    {
        LinkOptions options = _transport.Options;
        TimeSpan backoff = options.DialBackoff;
        for (int attempt = 1; ; attempt++)
        {
            if (_transport.Network.Find(address) is { } listening)
            {
                listening.Accept(this, _transport.Identity);
                return;
            }

            if (attempt == options.DialAttempts)
            {
                throw new LinkEndedException(
                    LinkEndKind.NotOpened,
                    $"{address} cannot be reached, tried {attempt} times: nobody listens there");
            }

            if (_closing.Token.WaitHandle.WaitOne(backoff))
            {
                throw new LinkEndedException(
                    LinkEndKind.NotOpened, $"dialling {address} was given up");
            }

            backoff *= 2;
        }
    }

    private void ReceiveFrame(InMemoryLink other)
    {
        SendWork work = other._queue.Take(
            _transport.Options.SilenceDeadline, out QueuedFrame frame);
        switch (work.Kind)
        {
            case SendWorkKind.Close:
                throw new LinkEndedException(LinkEndKind.ClosedByPeer, other._end!.Reason);
            case SendWorkKind.Starved:
                other.End(new LinkEnd(
                    LinkEndKind.Failed,
                    $"the peer granted no credit for {other._transport.Options.FrameDeadline}"));
                break;
            case SendWorkKind.Frame:
                Deliver(other, frame);
                break;
        }
    }

    private void Deliver(InMemoryLink other, in QueuedFrame frame)
    {
        FrameVerdict verdict = _guard.Check(frame.Header);
        if (verdict.Kind == FrameVerdictKind.Accept)
        {
            Arrival arrival = frame.Bytes is { } bytes ? Copy(other, frame, bytes) : Point(frame);
            _owner.OnArrival(this, arrival);
            return;
        }

        if (frame.Bytes is { } small)
        {
            other._queue.Recycle(small);
        }

        frame.Completion?.OnReleased(frame.Header, sent: true);
        if (verdict.Kind == FrameVerdictKind.Refuse)
        {
            throw new LinkEndedException(
                LinkEndKind.Refused,
                verdict.Reason ?? $"a {frame.Header.Type} frame that does not belong here");
        }

        bool isBulk = frame.Header.Lane == FrameLane.Bulk;
        other._queue.TryAddCredits(isBulk ? 1 : 0, isBulk ? 0 : 1);
    }

    private Arrival Copy(InMemoryLink other, in QueuedFrame frame, byte[] bytes)
    {
        Arrival arrival = _small!.Rent();
        Span<byte> payload = arrival.Begin(frame.Header, _small);
        bytes.AsSpan(0, payload.Length).CopyTo(payload);
        other._queue.Recycle(bytes);
        return arrival;
    }

    private Arrival Point(in QueuedFrame frame)
    {
        Arrival? arrival;
        lock (_gate)
        {
            if (!_pointers.TryPop(out arrival))
            {
                arrival = new Arrival();
            }
        }

        arrival.Begin(frame.Header, frame.Buffer!, frame.Start, frame.Completion, this);
        return arrival;
    }

    private void End(LinkEnd end)
    {
        Interlocked.CompareExchange(ref _end, end, null);
        _queue.Close();
        _closing.Cancel();
    }

    private void Finish()
    {
        while (_queue.TryTakeUnsent(out QueuedFrame frame))
        {
            frame.Completion?.OnReleased(frame.Header, sent: false);
        }

        _small?.End();
        LinkMeter.Ended(_queue);
        _transport.Forget(this);
        _owner.OnEnded(this, _end!);
    }
}
