using Backprop.Engine;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>The link on which a node sends to one peer: dialled when something is to be sent, and
/// after an end not before a while has passed.</summary>
internal sealed class OutboundLink(LinkHub hub, NodeId peer, TimeProvider time)
    : ILinkOwner, IFrameGuard
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private ITensorLink? _link;
    private TimeSpan _delay = FirstDelay;
    private long _endedAt;
    private bool _hasEnded;
    private bool _isOpen;
    private bool _isDoubtful;

    /// <summary>Queues a piece.</summary>
    public SendResult TrySend(
        in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion) =>
        LinkOrDial(ofPieces: true)?.TrySend(header, buffer, start, completion)
        ?? SendResult.Closed;

    /// <summary>Queues a small frame.</summary>
    public SendResult TrySend(in FrameHeader header, ReadOnlySpan<byte> payload) =>
        LinkOrDial(ofPieces: false)?.TrySend(header, payload) ?? SendResult.Closed;

    /// <summary>Closes the link, if there is one.</summary>
    public void Close(string reason)
    {
        ITensorLink? link;
        lock (_gate)
        {
            link = _link;
        }

        link?.Close(reason);
    }

    /// <inheritdoc/>
    public void OnOpened(ITensorLink link)
    {
        if (link.Peer is { } other)
        {
            string? refusal = other.Node != peer.Value
                ? $"node {other.Node} answers where node {peer} was"
                : hub.RefusalOf(other);
            if (refusal is not null)
            {
                link.Close(refusal);
                return;
            }
        }

        lock (_gate)
        {
            _isOpen = true;
            _isDoubtful = false;
            _delay = FirstDelay;
        }
    }

    /// <inheritdoc/>
    public void OnArrival(ITensorLink link, Arrival arrival) => arrival.Dispose();

    /// <inheritdoc/>
    public void OnEnded(ITensorLink link, LinkEnd end)
    {
        lock (_gate)
        {
            _link = null;
            _isOpen = false;
            _hasEnded = true;
            _endedAt = time.GetTimestamp();
            if (end.Kind == LinkEndKind.NotOpened)
            {
                _isDoubtful = true;
                _delay = _delay * 2 < LongestDelay ? _delay * 2 : LongestDelay;
            }
        }

        hub.OnEnded(peer, end);
    }

    /// <inheritdoc/>
    public FrameVerdict Check(in FrameHeader header) => FrameVerdict.Refuse(
        $"a {header.Type} frame on a link that its receiver has dialled: a node sends on its own");

    // A peer that could not be reached is most likely gone. While it is dialled again, no piece
    // waits for it: the buffers are needed for those who are there.
    private ITensorLink? LinkOrDial(bool ofPieces)
    {
        lock (_gate)
        {
            if (_link is null && (!_hasEnded || time.GetElapsedTime(_endedAt) >= _delay))
            {
                _link = hub.Dial(peer, this);
            }

            return ofPieces && _isDoubtful && !_isOpen ? null : _link;
        }
    }
}
