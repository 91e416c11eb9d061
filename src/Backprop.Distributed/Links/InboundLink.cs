using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>A link on which a peer sends to this node.</summary>
internal sealed class InboundLink(LinkHub hub, NodeId peer) : ILinkOwner, IFrameGuard
{
    /// <inheritdoc/>
    public void OnOpened(ITensorLink link)
    {
    }

    /// <inheritdoc/>
    public void OnArrival(ITensorLink link, Arrival arrival) => hub.Deliver(peer, arrival);

    /// <inheritdoc/>
    public void OnEnded(ITensorLink link, LinkEnd end) => hub.OnEnded(peer, end);

    /// <inheritdoc/>
    public FrameVerdict Check(in FrameHeader header) => hub.Check(header);
}
