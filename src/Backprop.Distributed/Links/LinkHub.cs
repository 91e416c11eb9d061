using System.Collections.Concurrent;
using Backprop.Distributed.Nodes;
using Backprop.Engine;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Links;

/// <summary>
/// All links of a node. Whoever sends uses the link that it has dialled itself, one to each peer,
/// dialled when it is first needed; what arrives goes to the part of the run that it is for. What a
/// node sends itself never leaves its memory.
/// </summary>
/// <remarks>Safe for any thread; nothing waits but <see cref="Dispose"/>. A frame may be lost with
/// its link, or when its receiver has no such run: the protocol sends it again.</remarks>
public sealed class LinkHub : ILinkAcceptor, IDisposable
{
    private readonly NodeId _self;
    private readonly ITensorTransport _transport;
    private readonly NodeDirectory _directory;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<NodeId, OutboundLink> _outbound = new();
    private readonly ConcurrentDictionary<RunHash, RunInbox> _slices = new();
    private readonly ConcurrentDictionary<RunHash, RunInbox> _replicas = new();
    private readonly ConcurrentDictionary<RunHash, RunInbox> _copies = new();
    private readonly LoopbackLane _loopback;
    private ITensorListener? _listener;
    private volatile bool _isDisposed;

    /// <summary>The links of node <paramref name="self"/>.</summary>
    /// <param name="self">The node.</param>
    /// <param name="transport">Makes its links; the hub's to dispose.</param>
    /// <param name="directory">The nodes that may be dialled and may dial.</param>
    /// <param name="time">The clock.</param>
    public LinkHub(
        NodeId self, ITensorTransport transport, NodeDirectory directory, TimeProvider time)
    {
        _self = self;
        _transport = transport;
        _directory = directory;
        _time = time;
        _loopback = new LoopbackLane(this, self);
        directory.Removed += Forget;
    }

    /// <summary>A link to or from a node has ended, or never opened. Called on a thread of a link.
    /// </summary>
    public event Action<NodeId, LinkEnd>? Ended;

    /// <summary>A connection was refused: where it came from, and why. Called on a thread of a
    /// link.</summary>
    public event Action<string, string>? Refused;

    /// <summary>Begins to take links.</summary>
    /// <returns>Where, with the port that the system chose.</returns>
    /// <exception cref="IOException">The address cannot be listened on.</exception>
    public LinkAddress Listen(LinkAddress address)
    {
        if (_listener is not null)
        {
            throw new InvalidOperationException($"node {_self} listens already");
        }

        _listener = _transport.Listen(address, this);
        return _listener.Address;
    }

    /// <summary>Queues a piece for a node, as <see cref="ITensorLink"/> does; it is
    /// <see cref="SendResult.Closed"/> as well while there is no link to it.</summary>
    public SendResult TrySend(
        NodeId to, in FrameHeader header, AlignedBuffer buffer, int start,
        ISendCompletion completion) => to == _self
        ? _loopback.TrySend(header, buffer, start, completion)
        : LinkTo(to)?.TrySend(header, buffer, start, completion) ?? SendResult.Closed;

    /// <summary>Queues a small frame for a node.</summary>
    public SendResult TrySend(NodeId to, in FrameHeader header, ReadOnlySpan<byte> payload) =>
        to == _self
            ? _loopback.TrySend(header, payload)
            : LinkTo(to)?.TrySend(header, payload) ?? SendResult.Closed;

    /// <summary>Closes the link on which this node sends to another; it is dialled again when it is
    /// needed.</summary>
    public void Close(NodeId to, string reason) =>
        _outbound.GetValueOrDefault(to)?.Close(reason);

    /// <inheritdoc/>
    LinkAdmission ILinkAcceptor.Admit(LinkIdentity peer)
    {
        var node = new NodeId(peer.Node);
        if (RefusalOf(peer) is { } refusal)
        {
            return LinkAdmission.Refuse(refusal);
        }

        var inbound = new InboundLink(this, node);
        return LinkAdmission.To(inbound, inbound);
    }

    /// <inheritdoc/>
    void ILinkAcceptor.OnRefused(string remote, string reason) =>
        Refused?.Invoke(remote, reason);

    /// <summary>Closes every link, and returns when their threads have ended.</summary>
    public void Dispose()
    {
        _isDisposed = true;
        _directory.Removed -= Forget;
        _listener?.Dispose();
        _transport.Dispose();
        _loopback.Dispose();
    }

    /// <summary>Has the frames of a run's part come here from now on, and no more to whoever had
    /// them before.</summary>
    /// <param name="part">The part.</param>
    /// <param name="run">The run.</param>
    /// <param name="guard">Decides about frames by their headers, on the links' threads.</param>
    /// <param name="wake">Called, on any thread, when there is something to look at.</param>
    internal RunInbox Register(RunPart part, RunHash run, IFrameGuard guard, Action wake)
    {
        var inbox = new RunInbox(this, part, run, guard, wake);
        PartsOf(part)[run] = inbox;
        return inbox;
    }

    /// <summary>Lets no more frames come to an inbox.</summary>
    internal void Unregister(RunInbox inbox) =>
        PartsOf(inbox.Part).TryRemove(KeyValuePair.Create(inbox.Run, inbox));

    /// <summary>Why a node at the other end of a link is not the one that it says it is; null: it
    /// may be.</summary>
    internal string? RefusalOf(LinkIdentity peer)
    {
        if (_directory.Find(new NodeId(peer.Node)) is not { } known)
        {
            return $"node {_self} does not know node {peer.Node}";
        }

        return peer.CertifiedRoles is { } certified && (known.Roles & ~certified) is var missing
            && missing != NodeRoles.None
            ? $"node {peer.Node} is a {string.Join(" and ", RoleNames.OfEach(missing))}, for which"
                + " its certificate is not"
            : null;
    }

    /// <summary>Whom a frame is for; null: nobody here.</summary>
    internal RunInbox? Find(in FrameHeader header) =>
        PartsOf(header.Type switch
        {
            FrameType.Broadcast => RunPart.Replica,
            FrameType.Copy or FrameType.CopyOffer or FrameType.CopyRequest => RunPart.Copies,
            _ => RunPart.Slice,
        }).GetValueOrDefault(header.Run);

    /// <summary>What becomes of a frame.</summary>
    internal FrameVerdict Check(in FrameHeader header) =>
        Find(header)?.Check(header)
        ?? FrameVerdict.Drop("the run has no such part here, or has none yet");

    /// <summary>Gives a frame to whom it is for.</summary>
    internal void Deliver(NodeId from, Arrival arrival)
    {
        if (Find(arrival.Header) is { } inbox)
        {
            inbox.Deliver(from, arrival);
        }
        else
        {
            arrival.Dispose();
        }
    }

    /// <summary>Dials a node; null: it is not known, or this node stops.</summary>
    internal ITensorLink? Dial(NodeId to, OutboundLink owner)
    {
        if (_isDisposed || _directory.Find(to) is not { } node)
        {
            return null;
        }

        try
        {
            return _transport.Dial(node.Links, to.Value, owner, owner);
        }
        catch (ObjectDisposedException)
        {
            return null; // The node has begun to stop meanwhile.
        }
    }

    /// <summary>A link has ended.</summary>
    internal void OnEnded(NodeId peer, LinkEnd end) => Ended?.Invoke(peer, end);

    private OutboundLink? LinkTo(NodeId to) => _outbound.TryGetValue(to, out OutboundLink? link)
        ? link
        : _directory.Find(to) is null ? null
        : _outbound.GetOrAdd(
            to, static (peer, hub) => new OutboundLink(hub, peer, hub._time), this);

    private ConcurrentDictionary<RunHash, RunInbox> PartsOf(RunPart part) => part switch
    {
        RunPart.Slice => _slices,
        RunPart.Replica => _replicas,
        _ => _copies,
    };

    private void Forget(NodeId node)
    {
        if (_outbound.TryRemove(node, out OutboundLink? link))
        {
            link.Close("the node has left the cluster");
        }
    }
}
