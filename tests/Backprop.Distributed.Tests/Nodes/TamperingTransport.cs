using Backprop.Distributed.Links;
using Backprop.Engine;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>The links of a node whose memory, or processor, gets one number of its gradients wrong
/// from a step on, before anybody takes a checksum of it.</summary>
internal sealed class TamperingTransport(ITensorTransport inner, long firstStep) : ITensorTransport
{
    public ITensorListener Listen(LinkAddress address, ILinkAcceptor acceptor) =>
        inner.Listen(address, acceptor);

    public ITensorLink Dial(
        LinkAddress address, string node, ILinkOwner owner, IFrameGuard guard) =>
        new Link(inner.Dial(address, node, owner, guard), firstStep);

    public void Dispose() => inner.Dispose();

    private sealed class Link(ITensorLink inner, long firstStep) : ITensorLink
    {
        public LinkIdentity? Peer => inner.Peer;

        public SendResult TrySend(
            in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion)
        {
            if (header.Type == FrameType.Push && header.Step >= firstStep)
            {
                buffer.Span[start] = 0.25f;
            }

            return inner.TrySend(header, buffer, start, completion);
        }

        public SendResult TrySend(in FrameHeader header, ReadOnlySpan<byte> payload) =>
            inner.TrySend(header, payload);

        public void Close(string reason) => inner.Close(reason);

        public void Dispose() => inner.Dispose();
    }
}
