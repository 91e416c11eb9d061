using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Backprop.Distributed.Metering;
using Backprop.Engine;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>
/// A link over a socket: one thread receives and, at the end, ends the link; one sends. Payloads go
/// from the sender's buffer to the socket and from the socket to the receiver's buffer; nothing is
/// allocated for a frame. What is short, while nothing else is sent, goes into the socket on the
/// thread that wants it sent, as far as the socket takes it at once.
/// </summary>
internal sealed class TcpLink : ITensorLink
{
    private const int ScratchBytes = 1 << 16;

    // To copy more takes longer than to wake the sending thread.
    private const int MaxBytesAtOnce = 1 << 14;

    private readonly TcpTransport _transport;
    private readonly LinkOptions _options;
    private readonly ILinkOwner _owner;
    private readonly IFrameGuard _guard;
    private readonly SendQueue _queue;
    private readonly CancellationTokenSource _closing = new();
    private readonly ManualResetEventSlim _receiverEnded = new();
    private readonly byte[] _staging =
        GC.AllocateUninitializedArray<byte>(ScratchBytes + (2 * FrameHeader.Bytes), pinned: true);
    private Thread? _receiver;
    private Thread? _sender;
    private LinkConnection? _connection;
    private LinkEnd? _end;

    // What is left in the staging memory of a frame that the sending thread is to finish.
    private Range _rest;

    /// <summary>A link that has not begun.</summary>
    /// <param name="transport">The node's links.</param>
    /// <param name="owner">Hears of this one.</param>
    /// <param name="guard">Decides about what it receives.</param>
    /// <param name="receiver">The thread that will run it; null for the one that dials.</param>
    public TcpLink(
        TcpTransport transport, ILinkOwner owner, IFrameGuard guard, Thread? receiver = null)
    {
        _receiver = receiver;
        _transport = transport;
        _options = transport.Options;
        _owner = owner;
        _guard = guard;
        _queue = new SendQueue(_options);
    }

    /// <inheritdoc/>
    public LinkIdentity? Peer { get; private set; }

    /// <summary>Cancelled when the link ends.</summary>
    public CancellationToken Closing => _closing.Token;

    /// <inheritdoc/>
    public SendResult TrySend(
        in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion)
    {
        SendChecks.Piece(header, buffer, start);
        return TrySendAtOnce(
            header, MemoryMarshal.AsBytes(buffer.Span[start..])[..header.PayloadBytes], completion)
            ? SendResult.Queued
            : _queue.TryAdd(header, buffer, start, completion);
    }

    /// <inheritdoc/>
    public SendResult TrySend(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        SendChecks.Small(header, payload);
        return TrySendAtOnce(header, payload, completion: null)
            ? SendResult.Queued
            : _queue.TryAdd(header, payload);
    }

    /// <inheritdoc/>
    public void Close(string reason) => End(new LinkEnd(LinkEndKind.Closed, reason));

    /// <inheritdoc/>
    public void Dispose()
    {
        Close("the link was disposed");
        if (Thread.CurrentThread != _receiver && Thread.CurrentThread != _sender)
        {
            _receiver?.Join();
        }
    }

    /// <summary>Begins to dial on a thread that then receives.</summary>
    public void Dial(LinkAddress address, string node)
    {
        _receiver = new Thread(() => DialAndRun(address, node))
        {
            IsBackground = true,
            Name = $"link to {address}",
        };
        _receiver.Start();
    }

    /// <summary>Runs the link to its end on the calling thread, which becomes the one that
    /// receives. The transport's windows have been reserved.</summary>
    public void Run(LinkConnection connection, LinkIdentity peer, LinkTerms terms)
    {
        Peer = peer;
        Volatile.Write(ref _connection, connection);
        _queue.Open(terms.BulkWindow, terms.SmallWindow);
        connection.SetSilenceDeadline(_options.SilenceDeadline);
        _sender = new Thread(() => Send(connection, terms.Silence / 3))
        {
            IsBackground = true,
            Name = $"link to {peer.Node}, sending",
        };
        _sender.Start();
        var bulk = new ReceiveLane(
            _transport.BulkPool, _options.BulkWindow, () => _queue.Grant(FrameLane.Bulk));
        var small = new ReceiveLane(
            _transport.SmallPool, _options.SmallWindow, () => _queue.Grant(FrameLane.Small));
        LinkMeter.Opened(_queue);
        Receive(connection, bulk, small);
        LinkMeter.Ended(_queue);
        _receiverEnded.Set();
        if (!_sender.Join(_options.ClosingDeadline))
        {
            connection.Abort();
            _sender.Join();
        }

        connection.Dispose();
        bulk.End();
        small.End();
        Finish();
    }

    private void DialAndRun(LinkAddress address, string node)
    {
        try
        {
            using var dialling = new Dialling(_transport, address, node, _closing.Token);
            (LinkConnection connection, LinkIdentity peer, LinkTerms terms) = dialling.Connect();
            Run(connection, peer, terms);
        }
        catch (LinkEndedException ended)
        {
            End(ended.End);
            Finish();
        }
    }

    private void Receive(LinkConnection connection, ReceiveLane bulk, ReceiveLane small)
    {
        byte[] scratch = GC.AllocateUninitializedArray<byte>(ScratchBytes, pinned: true);
        try
        {
            _owner.OnOpened(this);
            while (true)
            {
                ReceiveFrame(connection, bulk, small, scratch);
            }
        }
        catch (Exception failure)
        {
            End(Explain(failure, "receiving from"));
        }

        // What ended at this end is told to the peer, who has to see it before the reset.
        if (_end!.Kind is LinkEndKind.Closed or LinkEndKind.Refused)
        {
            connection.Drain(scratch, Deadline.After(_options.ClosingDeadline));
        }
    }

    private void ReceiveFrame(
        LinkConnection connection, ReceiveLane bulk, ReceiveLane small, byte[] scratch)
    {
        Span<byte> bytes = scratch.AsSpan(0, FrameHeader.Bytes);
        connection.ReadExactly(bytes, _options.FrameDeadline);
        string? mistake = FrameHeader.Read(bytes, out FrameHeader header, out uint crc);
        if (mistake is not null)
        {
            throw Refused(mistake);
        }

        LinkMeter.Received(FrameHeader.Bytes + header.PayloadBytes);
        if (header.Lane == FrameLane.Control)
        {
            ReceiveControl(connection, header, crc, scratch);
            return;
        }

        ReceiveLane lane = header.Lane == FrameLane.Bulk ? bulk : small;
        if (!lane.TryTakeCredit())
        {
            throw Refused($"a {header.Type} frame without credit");
        }

        _queue.Received(header.Lane);
        FrameVerdict verdict = _guard.Check(header);
        switch (verdict.Kind)
        {
            case FrameVerdictKind.Accept:
                ReceivePayload(connection, header, crc, lane);
                break;
            case FrameVerdictKind.Drop:
                PassOver(connection, header, crc, scratch);
                lane.Pass();
                break;
            default:
                throw Refused(verdict.Reason ?? $"a {header.Type} frame that does not belong here");
        }
    }

    private void ReceivePayload(
        LinkConnection connection, in FrameHeader header, uint crc, ReceiveLane lane)
    {
        ReceiveSlots? slots = SlotsOf(connection, header);
        Arrival arrival = slots is null
            ? lane.Rent()
            : slots.Take(ReadSlot(connection, header, crc), header, lane);
        bool handedOver = false;
        try
        {
            if (slots is null
                && connection.ReadWithChecksum(
                    arrival.Begin(header, lane), _options.FrameDeadline) != crc)
            {
                throw Refused($"the payload of a {header.Type} frame does not match its checksum");
            }

            handedOver = true;
            _owner.OnArrival(this, arrival);
        }
        finally
        {
            if (!handedOver)
            {
                arrival.Dispose();
            }
        }
    }

    // Both ends know by its length which payload lies in memory.
    private static ReceiveSlots? SlotsOf(LinkConnection connection, in FrameHeader header) =>
        IsForMemory(header) ? connection.Receiving : null;

    private static bool IsForMemory(in FrameHeader header) =>
        header.Lane == FrameLane.Bulk && header.PayloadBytes > MaxBytesAtOnce;

    // Memory is no wire: there is no checksum of what lies there.
    private int ReadSlot(LinkConnection connection, in FrameHeader header, uint crc)
    {
        Span<byte> slot = stackalloc byte[sizeof(int)];
        connection.ReadExactly(slot, _options.FrameDeadline);
        return crc == 0
            ? BinaryPrimitives.ReadInt32LittleEndian(slot)
            : throw Refused($"a {header.Type} frame in memory with a checksum");
    }

    private void PassOver(
        LinkConnection connection, in FrameHeader header, uint crc, byte[] scratch)
    {
        if (SlotsOf(connection, header) is { } slots)
        {
            slots.Pass(ReadSlot(connection, header, crc));
            return;
        }

        for (int left = header.PayloadBytes; left > 0;)
        {
            Span<byte> part = scratch.AsSpan(0, Math.Min(left, scratch.Length));
            connection.ReadExactly(part, _options.FrameDeadline);
            left -= part.Length;
        }
    }

    private void ReceiveControl(
        LinkConnection connection, in FrameHeader header, uint crc, byte[] scratch)
    {
        if (header.Type == FrameType.Credit
            && !_queue.TryAddCredits(header.Piece, header.Offset))
        {
            throw Refused(
                $"credit for {header.Piece} bulk and {header.Offset} small frames exceeds the"
                + " window");
        }

        if (header.Type == FrameType.Close)
        {
            Span<byte> reason = scratch.AsSpan(0, header.PayloadBytes);
            connection.ReadExactly(reason, _options.FrameDeadline);
            throw Crc32C.Of(reason) == crc
                ? new LinkEndedException(LinkEndKind.ClosedByPeer, LinkText.Decode(reason))
                : Refused("a close frame does not match its checksum");
        }
    }

    private bool TrySendAtOnce(
        in FrameHeader header, ReadOnlySpan<byte> payload, ISendCompletion? completion)
    {
        if (payload.Length > MaxBytesAtOnce
            || Volatile.Read(ref _connection) is not { CanWriteAtOnce: true } connection
            || !_queue.TryBeginAtOnce(header.Lane, out SendWork work))
        {
            return false;
        }

        bool isSent = false;
        try
        {
            int used = Stage(header, payload, StageControl(work));
            LinkMeter.Sent(used);
            int sent = connection.WriteAtOnce(_staging.AsSpan(0, used));
            _rest = sent..used;
            isSent = sent == used;
        }
        finally
        {
            _queue.EndAtOnce(
                isSent ? null : new QueuedFrame(header, null, 0, completion, null));
        }

        if (isSent)
        {
            completion?.OnReleased(header, sent: true);
        }

        return true;
    }

    private void Send(LinkConnection connection, TimeSpan heartbeat)
    {
        QueuedFrame frame = default;
        try
        {
            while (true)
            {
                SendWork work = _queue.Take(heartbeat, out frame);
                switch (work.Kind)
                {
                    case SendWorkKind.Close:
                        SayGoodbye(connection);
                        return;
                    case SendWorkKind.Starved:
                        End(new LinkEnd(
                            LinkEndKind.Failed,
                            $"the peer granted no credit for {_options.FrameDeadline}"));
                        break;
                    case SendWorkKind.Rest:
                        connection.Write(_staging.AsSpan(_rest));
                        Release(ref frame, sent: true);
                        break;
                    default:
                        SendFrame(connection, work, frame);
                        Release(ref frame, sent: true);
                        break;
                }
            }
        }
        catch (Exception failure)
        {
            End(Explain(failure, "sending to"));
            ReleaseAfterFailure(frame);
            connection.Abort();
        }
    }

    // Credits, or a heartbeat, at the front of the staging memory.
    private int StageControl(in SendWork work)
    {
        int used = 0;
        if (work.BulkCredits + work.SmallCredits > 0)
        {
            var credit = new FrameHeader
            {
                Type = FrameType.Credit,
                Piece = work.BulkCredits,
                Offset = work.SmallCredits,
            };
            credit.Write(0, _staging);
            used = FrameHeader.Bytes;
        }

        if (work.Kind == SendWorkKind.Heartbeat)
        {
            new FrameHeader { Type = FrameType.Heartbeat }.Write(0, _staging);
            used = FrameHeader.Bytes;
        }

        return used;
    }

    private int Stage(in FrameHeader header, ReadOnlySpan<byte> payload, int used)
    {
        header.Write(Crc32C.Of(payload), _staging.AsSpan(used));
        payload.CopyTo(_staging.AsSpan(used + FrameHeader.Bytes));
        return used + FrameHeader.Bytes + payload.Length;
    }

    private int StageSlot(in FrameHeader header, int slot, int used)
    {
        header.Write(0, _staging.AsSpan(used));
        BinaryPrimitives.WriteInt32LittleEndian(_staging.AsSpan(used + FrameHeader.Bytes), slot);
        return used + FrameHeader.Bytes + sizeof(int);
    }

    private void SendFrame(LinkConnection connection, in SendWork work, in QueuedFrame frame)
    {
        int used = StageControl(work);
        ReadOnlySpan<byte> piece = default;
        if (frame.Bytes is { } small)
        {
            used = Stage(frame.Header, small.AsSpan(0, frame.Header.PayloadBytes), used);
        }
        else if (frame.Buffer is { } buffer)
        {
            piece = MemoryMarshal.AsBytes(buffer.Span[frame.Start..])[..frame.Header.PayloadBytes];
            if (piece.Length <= MaxBytesAtOnce)
            {
                // Another call of the system would take longer, and would wake the peer twice.
                used = Stage(frame.Header, piece, used);
                piece = default;
            }
            else if (connection.Sending is { } slots)
            {
                used = StageSlot(frame.Header, slots.Put(piece), used);

                // What is counted is the payload, whichever way it goes.
                LinkMeter.Sent(piece.Length - sizeof(int));
                piece = default;
            }
            else
            {
                frame.Header.Write(Crc32C.Of(piece), _staging.AsSpan(used));
                used += FrameHeader.Bytes;
            }
        }

        LinkMeter.Sent(used + piece.Length);
        connection.Write(_staging.AsSpan(0, used), more: !piece.IsEmpty);
        if (!piece.IsEmpty)
        {
            connection.Write(piece);
        }
    }

    private void SayGoodbye(LinkConnection connection)
    {
        LinkEnd end = _end!;
        if (end.Kind is not LinkEndKind.ClosedByPeer)
        {
            byte[] reason = LinkText.Encode(end.Reason, FrameHeader.MaxReasonBytes);
            var close = new FrameHeader { Type = FrameType.Close, PayloadBytes = reason.Length };
            close.Write(Crc32C.Of(reason), _staging);
            reason.CopyTo(_staging.AsSpan(FrameHeader.Bytes));
            connection.Write(_staging.AsSpan(0, FrameHeader.Bytes + reason.Length));
        }

        connection.EndSending();
        if (!_receiverEnded.Wait(_options.ClosingDeadline))
        {
            connection.Abort();
        }
    }

    private void Release(ref QueuedFrame frame, bool sent)
    {
        QueuedFrame released = frame;
        frame = default;
        if (released.Bytes is { } payload)
        {
            _queue.Recycle(payload);
        }

        released.Completion?.OnReleased(released.Header, sent);
    }

    private void ReleaseAfterFailure(QueuedFrame frame)
    {
        try
        {
            Release(ref frame, sent: false);
        }
        catch (Exception failure)
        {
            End(Explain(failure, "sending to"));
        }
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
            ReleaseAfterFailure(frame);
        }

        _transport.Forget(this);
        _owner.OnEnded(this, _end!);
    }

    private LinkEnd Explain(Exception failure, string doing) => failure switch
    {
        LinkEndedException ended => ended.End,
        IOException { InnerException: SocketException { SocketErrorCode: SocketError.TimedOut } } =>
            new LinkEnd(
                LinkEndKind.Failed,
                $"time is up {doing} {Peer!.Node}: nothing moved for"
                + $" {_options.SilenceDeadline}, or a frame took more than"
                + $" {_options.FrameDeadline}"),
        IOException => new LinkEnd(
            LinkEndKind.Failed, $"{doing} {Peer!.Node} failed: {failure.Message}"),
        _ => new LinkEnd(
            LinkEndKind.Closed,
            $"the link's owner failed: {failure.GetType().Name}: {failure.Message}"),
    };

    private static LinkEndedException Refused(string reason) => new(LinkEndKind.Refused, reason);
}
