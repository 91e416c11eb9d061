using Backprop.Engine;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>What a node sends itself: pieces are handed over where they lie, small frames are
/// copied; the guard sees both, and both are bounded, as on a link.</summary>
internal sealed class LoopbackLane : IArrivalSource, IDisposable
{
    private const int MaxPieces = 1024;
    private const int MaxSmall = 64;

    private readonly LinkHub _hub;
    private readonly NodeId _self;
    private readonly Lock _gate = new();
    private readonly Stack<Arrival> _pointers = new();
    private readonly ReceiveBufferPool _small = new(FrameHeader.MaxSmallBytes, MaxSmall);
    private int _piecesUnderWay;
    private int _smallUnderWay;

    public LoopbackLane(LinkHub hub, NodeId self)
    {
        _hub = hub;
        _self = self;
        _small.TryReserve(MaxSmall);
    }

    /// <summary>Hands a piece over.</summary>
    public SendResult TrySend(
        in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion)
    {
        SendChecks.Piece(header, buffer, start);
        Arrival? arrival;
        lock (_gate)
        {
            if (_piecesUnderWay == MaxPieces)
            {
                return SendResult.QueueFull;
            }

            _piecesUnderWay++;
            if (!_pointers.TryPop(out arrival))
            {
                arrival = new Arrival();
            }
        }

        arrival.Begin(header, buffer, start, completion, this);
        return Deliver(arrival);
    }

    /// <summary>Hands a copy of a small frame over.</summary>
    public SendResult TrySend(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        SendChecks.Small(header, payload);
        Arrival arrival;
        lock (_gate)
        {
            if (_smallUnderWay == MaxSmall)
            {
                return SendResult.QueueFull;
            }

            _smallUnderWay++;
            arrival = _small.Rent();
        }

        payload.CopyTo(arrival.Begin(header, this));
        return Deliver(arrival);
    }

    /// <inheritdoc/>
    void IArrivalSource.Return(Arrival arrival)
    {
        FrameHeader header = arrival.Header;
        ISendCompletion? completion = arrival.Completion;
        lock (_gate)
        {
            if (completion is null)
            {
                _smallUnderWay--;
                _small.Return(arrival);
            }
            else
            {
                _piecesUnderWay--;
                _pointers.Push(arrival);
            }
        }

        completion?.OnReleased(header, sent: true);
    }

    /// <inheritdoc/>
    public void Dispose() => _small.Dispose();

    // A mistake here is this node's own, so there is no link to close: the frame goes nowhere, as
    // one that is dropped.
    private SendResult Deliver(Arrival arrival)
    {
        if (_hub.Check(arrival.Header).Kind == FrameVerdictKind.Accept)
        {
            _hub.Deliver(_self, arrival);
        }
        else
        {
            arrival.Dispose();
        }

        return SendResult.Queued;
    }
}
