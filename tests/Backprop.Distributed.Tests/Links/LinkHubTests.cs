using Backprop.Distributed.Links;
using Backprop.Distributed.Links.InMemory;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Links;

/// <summary>Frames find the part of the run that they are for, whichever way they go.</summary>
public sealed class LinkHubTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private readonly InMemoryNetwork _network = new();
    private readonly List<IDisposable> _parts = [];

    public void Dispose() => _parts.ForEach(part => part.Dispose());

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_piece_comes_to_its_run_and_its_sender_is_known(bool overTcp)
    {
        (Node here, Node there) = Two(overTcp);
        using var inbox = new Inbox(there.Hub);

        Assert.Equal(SendResult.Queued, here.Push(there.Id));

        RunArrival arrival = inbox.Take();
        Assert.Equal(here.Id, arrival.From);
        Assert.Equal([1f, 2, 3, 4], arrival.Arrival.Elements.ToArray());
        arrival.Arrival.Dispose();
        here.AwaitReleased(1);
    }

    [Fact]
    public void What_a_node_sends_itself_stays_in_its_memory()
    {
        Node node = Single();
        using var inbox = new Inbox(node.Hub);

        Assert.Equal(SendResult.Queued, node.Push(node.Id));
        Assert.Equal(SendResult.Queued, node.Loss(node.Id, 0.5));

        RunArrival push = inbox.Take();
        Assert.Equal([1f, 2, 3, 4], push.Arrival.Elements.ToArray());
        Assert.Equal(0, node.Released);
        push.Arrival.Dispose();
        Assert.Equal(1, node.Released);
        RunArrival loss = inbox.Take();
        Assert.Equal(0.5, BitConverter.ToDouble(loss.Arrival.Payload));
        loss.Arrival.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_frame_that_nobody_waits_for_is_dropped_and_the_link_stays(bool overTcp)
    {
        (Node here, Node there) = Two(overTcp);
        here.Push(there.Id);
        here.AwaitReleased(1);

        using var inbox = new Inbox(there.Hub);
        here.Push(there.Id);

        inbox.Take().Arrival.Dispose();
        here.AwaitReleased(2);
        Assert.Empty(here.Ends);
    }

    [Fact]
    public void An_inbox_that_is_closed_gives_every_buffer_back_once()
    {
        Node node = Single();
        var inbox = new Inbox(node.Hub);
        node.Push(node.Id);
        node.Push(node.Id);
        RunArrival taken = inbox.Take();

        inbox.Dispose();
        node.Push(node.Id);

        node.AwaitReleased(2);
        taken.Arrival.Dispose();
        node.AwaitReleased(3);
    }

    [Fact]
    public void A_frame_that_no_honest_node_sends_ends_the_link_and_the_next_one_dials_again()
    {
        (Node here, Node there) = Two(overTcp: true);
        using var inbox = new Inbox(there.Hub);

        here.Push(there.Id, piece: 7);

        here.AwaitReleased(1);
        LinkEnd end = here.AwaitEnd();
        Assert.Contains("piece 7", end.Reason);
        Assert.True(SpinWait.SpinUntil(
            () => here.Push(there.Id) == SendResult.Queued, s_limit));
        inbox.Take().Arrival.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_node_that_is_not_known_is_neither_dialled_nor_let_in(bool overTcp)
    {
        Node here = Make("here", overTcp), there = Make("there", overTcp);

        Assert.Equal(SendResult.Closed, here.Push(there.Id));
        here.Directory.Add(there.Description);
        here.Push(there.Id);

        Assert.Contains("there does not know node here", here.AwaitEnd().Reason);
    }

    [Fact]
    public void Pieces_do_not_wait_for_a_node_that_could_not_be_reached()
    {
        (Node here, Node there) = Two(overTcp: true);
        there.Hub.Dispose();

        here.Push(there.Id);

        Assert.Equal(LinkEndKind.NotOpened, here.AwaitEnd().Kind);
        Assert.Equal(SendResult.Closed, here.Push(there.Id));
    }

    [Fact]
    public void A_node_that_has_left_is_sent_nothing_more()
    {
        (Node here, Node there) = Two(overTcp: true);
        using var inbox = new Inbox(there.Hub);
        here.Push(there.Id);
        inbox.Take().Arrival.Dispose();

        here.Directory.Remove(there.Id);

        Assert.Contains("left the cluster", here.AwaitEnd().Reason);
        Assert.Equal(SendResult.Closed, here.Push(there.Id));
    }

    private Node Single() => Make("only", overTcp: false);

    private (Node Here, Node There) Two(bool overTcp)
    {
        Node here = Make("here", overTcp), there = Make("there", overTcp);
        here.Directory.Add(there.Description);
        there.Directory.Add(here.Description);
        return (here, there);
    }

    private Node Make(string name, bool overTcp)
    {
        LinkIdentity identity = LinkPair.Identity(name);
        var options = new LinkOptions { DialAttempts = 1 };
        var node = new Node(name, overTcp
            ? new TcpTransport(identity, options)
            : new InMemoryTransport(identity, options, _network));
        _parts.Add(node);
        return node;
    }

    /// <summary>A node that sends the numbers from 1 to 4.</summary>
    private sealed class Node : ISendCompletion, IDisposable
    {
        private readonly AlignedBuffer _numbers = new(4);
        private readonly Lock _gate = new();
        private readonly List<LinkEnd> _ends = [];
        private int _released;

        public Node(string name, ITensorTransport transport)
        {
            Id = new NodeId(name);
            ((ReadOnlySpan<float>)[1, 2, 3, 4]).CopyTo(_numbers.Span);
            Hub = new LinkHub(Id, transport, Directory, TimeProvider.System);
            Hub.Ended += (_, end) =>
            {
                lock (_gate)
                {
                    _ends.Add(end);
                }
            };
            Description = new NodeDescription(
                Id, NodeRoles.Worker, Hub.Listen(new LinkAddress("127.0.0.1", 0)), "1", 1, "");
        }

        public NodeId Id { get; }

        public NodeDirectory Directory { get; } = new();

        public LinkHub Hub { get; }

        public NodeDescription Description { get; }

        public int Released => Volatile.Read(ref _released);

        public LinkEnd[] Ends
        {
            get
            {
                lock (_gate)
                {
                    return [.. _ends];
                }
            }
        }

        public SendResult Push(NodeId to, int piece = 0) => Hub.TrySend(
            to, FrameHeader.Push(LinkPair.Run, 1, 0, new TreeNode(0, 0), piece, 0, 4), _numbers, 0,
            this);

        public SendResult Loss(NodeId to, double loss) => Hub.TrySend(
            to, FrameHeader.Loss(LinkPair.Run, 1, 0, new TreeNode(0, 0)),
            BitConverter.GetBytes(loss));

        public void OnReleased(in FrameHeader header, bool sent) =>
            Interlocked.Increment(ref _released);

        public void AwaitReleased(int count) =>
            Assert.True(SpinWait.SpinUntil(() => Released == count, s_limit));

        public LinkEnd AwaitEnd()
        {
            Assert.True(SpinWait.SpinUntil(() => Ends.Length > 0, s_limit));
            return Ends[0];
        }

        public void Dispose()
        {
            Hub.Dispose();
            _numbers.Dispose();
        }
    }

    /// <summary>The slice of a run that has one piece.</summary>
    private sealed class Inbox : IFrameGuard, IDisposable
    {
        private readonly SemaphoreSlim _woken = new(0);
        private readonly RunInbox _inbox;

        public Inbox(LinkHub hub) => _inbox = hub.Register(
            RunPart.Slice, LinkPair.Run, this, () => _woken.Release());

        public FrameVerdict Check(in FrameHeader header) => header.Piece == 0
            ? FrameVerdict.Accept
            : FrameVerdict.Refuse($"piece {header.Piece}");

        public RunArrival Take()
        {
            while (true)
            {
                if (_inbox.TryTake(out RunArrival arrival))
                {
                    return arrival;
                }

                Assert.True(_woken.Wait(s_limit));
                _inbox.BeginLook();
            }
        }

        public void Dispose() => _inbox.Dispose();
    }
}
