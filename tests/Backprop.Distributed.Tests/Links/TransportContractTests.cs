using System.Runtime.InteropServices;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.InMemory;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Tests.Security;
using Backprop.Engine;
using Backprop.Engine.Gradients;

namespace Backprop.Distributed.Tests.Links;

/// <summary>The contract over loopback.</summary>
public sealed class TcpTransportContractTests : TransportContractTests
{
    protected override ITensorTransport Transport(LinkIdentity identity, LinkOptions options) =>
        new TcpTransport(identity, options);
}

/// <summary>The contract over loopback in TLS.</summary>
public sealed class SecureTransportContractTests : TransportContractTests, IDisposable
{
    private readonly TestAuthority _authority = new();

    public void Dispose() => _authority.Dispose();

    protected override ITensorTransport Transport(LinkIdentity identity, LinkOptions options) =>
        new TcpTransport(identity, options, _authority.Load(identity.Node, NodeRoles.Worker));
}

/// <summary>The contract within a process.</summary>
public sealed class InMemoryTransportContractTests : TransportContractTests
{
    private readonly InMemoryNetwork _network = new();

    protected override ITensorTransport Transport(LinkIdentity identity, LinkOptions options) =>
        new InMemoryTransport(identity, options, _network);
}

/// <summary>What a link promises, whatever carries it.</summary>
public abstract class TransportContractTests
{
    private static readonly LinkOptions Quick = new()
    {
        BulkWindow = 3,
        SmallWindow = 2,
        BulkQueue = 8,
        DialAttempts = 2,
        DialBackoff = TimeSpan.FromMilliseconds(10),
    };

    protected abstract ITensorTransport Transport(LinkIdentity identity, LinkOptions options);

    [Theory]
    [InlineData(1)]
    [InlineData(4_099)]
    [InlineData(262_144)]
    public void A_piece_arrives_as_it_was_sent_and_its_buffer_is_released_once(int length)
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(length + 16);
        FrameHeader header = FrameHeader.Push(
            LinkPair.Run, 7, 1L << 40, new TreeNode(5, 2_047), 12, 1_048_576, length);

        Assert.Equal(
            SendResult.Queued, pair.Dialled.TrySend(header, numbers, 16, pair.DiallerOwner));

        using (Arrival arrival = pair.ListenerOwner.WaitArrival())
        {
            Assert.Equal(header, arrival.Header);
            Assert.True(arrival.Elements.SequenceEqual(numbers.Span[16..]));
        }

        Assert.Equal((header, true), pair.DiallerOwner.WaitReleased());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4_099)]
    [InlineData(262_144)]
    public void A_rounded_piece_takes_half_the_bytes_and_arrives_as_it_was_sent(int length)
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(16 + ((length + 1) / 2));
        FrameHeader header = LinkPair.RoundedPushOf(length);
        Assert.Equal(2 * length, header.PayloadBytes);

        Assert.Equal(
            SendResult.Queued, pair.Dialled.TrySend(header, numbers, 16, pair.DiallerOwner));

        using (Arrival arrival = pair.ListenerOwner.WaitArrival())
        {
            Assert.Equal(header, arrival.Header);
            Assert.True(arrival.RoundedElements.SequenceEqual(
                MemoryMarshal.Cast<float, ushort>(numbers.Span[16..])[..length]));
            Assert.Throws<InvalidOperationException>(() => arrival.Elements.Length);
        }

        Assert.Equal((header, true), pair.DiallerOwner.WaitReleased());
        Assert.Throws<ArgumentException>(
            () => pair.Dialled.TrySend(header, numbers, 17, pair.DiallerOwner));
    }

    [Fact]
    public void Both_ends_send_and_know_each_other()
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(100);
        FrameHeader header = FrameHeader.Broadcast(LinkPair.Run, 7, 5, 1, 0, 100);
        pair.Accepted.TrySend(header, numbers, 0, pair.ListenerOwner);

        using Arrival arrival = pair.DiallerOwner.WaitArrival();
        Assert.Equal(header, arrival.Header);
        Assert.Equal(
            LinkPair.Identity("b"), pair.Dialled.Peer! with { CertifiedRoles = null });
        Assert.Equal(
            LinkPair.Identity("a"), pair.Accepted.Peer! with { CertifiedRoles = null });
    }

    [Fact]
    public void Small_frames_arrive_copied()
    {
        using LinkPair pair = Joined();
        FrameHeader[] headers =
        [
            FrameHeader.Loss(LinkPair.Run, 1, 2, new TreeNode(16, 0)),
            FrameHeader.BlockSums(LinkPair.Run, 1, 2, 3, 4, FrameHeader.MaxSmallBytes / 8),
            FrameHeader.RequestPieces(LinkPair.Run, 1, 2, 5),
        ];
        foreach (FrameHeader header in headers)
        {
            byte[] payload = new byte[header.PayloadBytes];
            payload.AsSpan().Fill((byte)header.Type);
            Assert.Equal(SendResult.Queued, pair.Dialled.TrySend(header, payload));
            payload.AsSpan().Clear();

            using Arrival arrival = pair.ListenerOwner.WaitArrival();
            Assert.Equal(header, arrival.Header);
            Assert.Equal(header.PayloadBytes, arrival.Payload.Length);
            Assert.False(arrival.Payload.ContainsAnyExcept((byte)header.Type));
        }
    }

    [Fact]
    public void A_sender_waits_for_credit_and_pieces_keep_their_order()
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(64);
        for (int piece = 0; piece < Quick.BulkWindow + 4; piece++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(64, piece: piece), numbers);
        }

        var held = new Queue<Arrival>();
        for (int piece = 0; piece < Quick.BulkWindow; piece++)
        {
            held.Enqueue(pair.ListenerOwner.WaitArrival());
        }

        // A small frame behind the waiting pieces has arrived: they have had their chance.
        SendLoss(pair);
        using (Arrival loss = pair.ListenerOwner.WaitArrival())
        {
            Assert.Equal(FrameType.Loss, loss.Header.Type);
        }

        Assert.Equal(0, pair.ListenerOwner.ArrivalsKept);
        for (int piece = 0; piece < Quick.BulkWindow + 4; piece++)
        {
            Arrival arrival = held.Dequeue();
            Assert.Equal(piece, arrival.Header.Piece);
            arrival.Dispose();
            if (piece < 4)
            {
                held.Enqueue(pair.ListenerOwner.WaitArrival());
            }
        }
    }

    // What a node holds it may hold until it has the next frame.
    [Fact]
    public void A_peer_that_has_no_credit_left_gets_every_single_one_at_once()
    {
        LinkOptions wide = Quick with { BulkWindow = 8, BulkQueue = 16 };
        using LinkPair pair = LinkPair.Joined(
            Transport(LinkPair.Identity("a"), wide), Transport(LinkPair.Identity("b"), wide));
        AlignedBuffer numbers = pair.Numbers(64);
        var held = new Queue<Arrival>();
        for (int piece = 0; piece < 2 * wide.BulkWindow; piece++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(64, piece: piece), numbers);
            if (held.Count == wide.BulkWindow)
            {
                held.Dequeue().Dispose();
            }

            held.Enqueue(pair.ListenerOwner.WaitArrival());
        }

        Assert.Equal(2 * wide.BulkWindow - 1, held.Last().Header.Piece);
        foreach (Arrival arrival in held)
        {
            arrival.Dispose();
        }
    }

    [Fact]
    public void A_full_queue_says_so()
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(1);
        for (int i = 0; i < Quick.BulkWindow; i++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers);
        }

        for (int i = 0; i < Quick.BulkWindow; i++)
        {
            pair.ListenerOwner.WaitArrival();
        }

        // All credit is used up: from here on everything waits.
        for (int i = 0; i < Quick.BulkQueue; i++)
        {
            Assert.Equal(
                SendResult.Queued, pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers));
        }

        Assert.Equal(
            SendResult.QueueFull, pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers));
    }

    [Fact]
    public void A_dropped_frame_costs_no_credit_and_leaves_the_link()
    {
        using LinkPair pair = Joined();
        pair.ListenerOwner.Verdict = header => header.Generation == 1
            ? FrameVerdict.Drop("an old generation")
            : FrameVerdict.Accept;
        AlignedBuffer numbers = pair.Numbers(200_000);
        for (int i = 0; i < 3 * Quick.BulkWindow; i++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(200_000), numbers);
            pair.DiallerOwner.WaitReleased();
        }

        FrameHeader current = LinkPair.PushOf(200_000) with { Generation = 2 };
        pair.Send(pair.Dialled, current, numbers);
        using Arrival arrival = pair.ListenerOwner.WaitArrival();
        Assert.Equal(current, arrival.Header);
    }

    [Fact]
    public void A_refused_frame_ends_the_link_with_the_reason_at_both_ends()
    {
        using LinkPair pair = Joined();
        pair.ListenerOwner.Verdict = header => FrameVerdict.Refuse($"piece {header.Piece} is 9");
        AlignedBuffer numbers = pair.Numbers(100_000);
        for (int i = 0; i < 5; i++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(100_000, piece: 4), numbers);
        }

        Assert.Equal(
            new LinkEnd(LinkEndKind.Refused, "piece 4 is 9"), pair.ListenerOwner.WaitEnd());
        Assert.Equal(
            new LinkEnd(LinkEndKind.ClosedByPeer, "piece 4 is 9"), pair.DiallerOwner.WaitEnd());
        Assert.Equal(0, pair.ListenerOwner.ArrivalsKept);
    }

    [Fact]
    public void Closing_tells_the_peer_and_releases_what_was_queued()
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(1_000);
        for (int i = 0; i < Quick.BulkQueue; i++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(1_000), numbers);
        }

        var held = new List<Arrival>();
        for (int i = 0; i < Quick.BulkWindow; i++)
        {
            held.Add(pair.ListenerOwner.WaitArrival());
        }

        pair.Dialled.Close("enough");
        Assert.Equal(new LinkEnd(LinkEndKind.Closed, "enough"), pair.DiallerOwner.WaitEnd());
        Assert.Equal(
            new LinkEnd(LinkEndKind.ClosedByPeer, "enough"), pair.ListenerOwner.WaitEnd());
        foreach (Arrival arrival in held)
        {
            Assert.Equal(1_000, arrival.Elements.Length);
            arrival.Dispose();
        }

        int sent = 0;
        for (int i = 0; i < Quick.BulkQueue; i++)
        {
            sent += pair.DiallerOwner.WaitReleased().Sent ? 1 : 0;
        }

        Assert.Equal(Quick.BulkWindow, sent);
        Assert.Equal(
            SendResult.Closed, pair.Send(pair.Dialled, LinkPair.PushOf(1_000), numbers));
    }

    [Theory]
    [InlineData("other", "a", "cluster")]
    [InlineData("test", "b", "dialled itself")]
    public void A_stranger_is_refused_by_name(string cluster, string node, string word)
    {
        using LinkPair pair = LinkPair.Apart(
            Transport(new LinkIdentity(cluster, node, "1.2.4"), Quick),
            Transport(LinkPair.Identity("b"), Quick));
        pair.Dial();
        LinkEnd end = pair.DiallerOwner.WaitEnd();
        Assert.Equal(LinkEndKind.NotOpened, end.Kind);
        Assert.Contains(word, end.Reason);
        Assert.Contains(word, pair.Acceptor.WaitRefusal());
    }

    [Fact]
    public void Whom_the_acceptor_does_not_want_hears_why()
    {
        using LinkPair pair = Apart();
        pair.Acceptor.Refusal = "no run needs you";
        pair.Dial();
        LinkEnd end = pair.DiallerOwner.WaitEnd();
        Assert.Equal(
            new LinkEnd(LinkEndKind.NotOpened, "the peer refused: no run needs you"), end);
        Assert.Equal("no run needs you", pair.Acceptor.WaitRefusal());
    }

    [Fact]
    public void Dialling_where_nobody_listens_fails_after_the_attempts()
    {
        using LinkPair pair = Apart();
        LinkAddress address = pair.Listening.Address;
        pair.Listening.Dispose();
        pair.Dial();
        AlignedBuffer numbers = pair.Numbers(1);
        SendResult queued = pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers);
        LinkEnd end = pair.DiallerOwner.WaitEnd();
        Assert.Equal(LinkEndKind.NotOpened, end.Kind);
        Assert.Contains($"{address} cannot be reached, tried 2 times", end.Reason);
        if (queued == SendResult.Queued)
        {
            Assert.False(pair.DiallerOwner.WaitReleased().Sent);
        }
    }

    [Fact]
    public void A_sender_that_gets_no_credit_ends_the_link()
    {
        LinkOptions impatient = Quick with { FrameDeadline = TimeSpan.FromMilliseconds(200) };
        using LinkPair pair = LinkPair.Joined(
            Transport(LinkPair.Identity("a"), impatient),
            Transport(LinkPair.Identity("b"), Quick));
        AlignedBuffer numbers = pair.Numbers(1);
        for (int i = 0; i <= Quick.BulkWindow; i++)
        {
            pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers);
        }

        LinkEnd end = pair.DiallerOwner.WaitEnd();
        Assert.Equal(LinkEndKind.Failed, end.Kind);
        Assert.Contains("no credit", end.Reason);
        Assert.Contains("no credit", pair.ListenerOwner.WaitEnd().Reason);
    }

    [Fact]
    public void What_an_owner_throws_ends_its_link_alone()
    {
        using LinkPair pair = Joined();
        pair.ListenerOwner.Handling = (_, _) => throw new InvalidDataException("out of order");
        AlignedBuffer numbers = pair.Numbers(1);
        pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers);
        Assert.Contains("out of order", pair.ListenerOwner.WaitEnd().Reason);
        Assert.Contains("out of order", pair.DiallerOwner.WaitEnd().Reason);

        pair.Dial();
        pair.DiallerOwner.WaitOpened();
    }

    [Fact]
    public void What_no_peer_would_take_is_not_sent()
    {
        using LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(10);
        Assert.Throws<ArgumentException>(
            () => pair.Send(pair.Dialled, LinkPair.PushOf(11), numbers));
        Assert.Throws<ArgumentException>(
            () => pair.Send(pair.Dialled, LinkPair.PushOf(0), numbers));
        Assert.Throws<ArgumentException>(
            () => pair.Send(pair.Dialled, LinkPair.PushOf(10) with { Step = -1 }, numbers));
        Assert.Throws<ArgumentException>(() => pair.Dialled.TrySend(
            FrameHeader.Loss(LinkPair.Run, 1, 1, default), new byte[16]));
        Assert.Throws<ArgumentException>(() => pair.Dialled.TrySend(
            new FrameHeader { Type = FrameType.Heartbeat }, []));
    }

    [Fact]
    public void An_arrival_is_disposed_once()
    {
        using LinkPair pair = Joined();
        pair.Send(pair.Dialled, LinkPair.PushOf(1), pair.Numbers(1));
        Arrival arrival = pair.ListenerOwner.WaitArrival();
        arrival.Dispose();
        Assert.Throws<InvalidOperationException>(arrival.Dispose);
        Assert.Throws<ObjectDisposedException>(() => arrival.Elements.Length);
    }

    [Fact]
    public void Disposing_a_node_ends_its_links_and_their_threads()
    {
        LinkPair pair = Joined();
        AlignedBuffer numbers = pair.Numbers(1);
        pair.Send(pair.Dialled, LinkPair.PushOf(1), numbers);
        pair.ListenerOwner.WaitArrival().Dispose();
        pair.DiallerOwner.WaitReleased();
        pair.Listener.Dispose();
        Assert.Equal("the node stops", pair.ListenerOwner.WaitEnd().Reason);
        LinkEnd other = pair.DiallerOwner.WaitEnd();
        Assert.Equal(new LinkEnd(LinkEndKind.ClosedByPeer, "the node stops"), other);
        pair.Dispose();
        Assert.All(
            pair.DiallerOwner.Threads.Keys.Concat(pair.ListenerOwner.Threads.Keys)
                .Where(thread => thread != Thread.CurrentThread),
            thread => Assert.True(thread.Join(TimeSpan.FromSeconds(30)), thread.Name));
        Assert.Equal(0, pair.DiallerOwner.EndCount + pair.ListenerOwner.EndCount);
    }

    [Theory]
    [InlineData(1_000)]
    [InlineData(262_144)]
    public void Nothing_is_allocated_for_a_frame(int length)
    {
        using LinkPair pair = Joined();
        const int WarmUp = 100;
        const int Frames = 400;
        AlignedBuffer numbers = pair.Numbers(length);
        var sent = new ThreadAllocation[WarmUp + Frames];
        var received = new ThreadAllocation[WarmUp + Frames];
        var released = new ThreadAllocation[WarmUp + Frames];
        using var done = new SemaphoreSlim(0);
        pair.ListenerOwner.Handling = (_, arrival) =>
        {
            received[arrival.Header.Step] = ThreadAllocation.OfNow();
            arrival.Dispose();
            done.Release();
        };
        pair.DiallerOwner.Releasing = header =>
        {
            released[header.Step] = ThreadAllocation.OfNow();
            done.Release();
        };
        for (int step = 0; step < WarmUp + Frames; step++)
        {
            sent[step] = ThreadAllocation.OfNow();
            pair.Send(pair.Dialled, LinkPair.PushOf(length, step), numbers);
            Assert.True(done.Wait(TimeSpan.FromSeconds(30)));
            Assert.True(done.Wait(TimeSpan.FromSeconds(30)));
        }

        foreach (ThreadAllocation[] times in (ThreadAllocation[][])[sent, received, released])
        {
            Assert.Equal(0, ThreadAllocation.OfSteadyState(times[WarmUp..]));
        }
    }

    private static void SendLoss(LinkPair pair) => pair.Dialled.TrySend(
        FrameHeader.Loss(LinkPair.Run, 1, 0, default), BitConverter.GetBytes(0.25));

    private LinkPair Joined() => LinkPair.Joined(
        Transport(LinkPair.Identity("a"), Quick), Transport(LinkPair.Identity("b"), Quick));

    private LinkPair Apart() => LinkPair.Apart(
        Transport(LinkPair.Identity("a"), Quick), Transport(LinkPair.Identity("b"), Quick));

    // Whichever of a link's threads releases a frame: each is held against itself.
    private readonly record struct ThreadAllocation(int Thread, long Bytes)
    {
        public static ThreadAllocation OfNow() =>
            new(Environment.CurrentManagedThreadId, GC.GetAllocatedBytesForCurrentThread());

        // Now and then the runtime takes some bytes for itself: of four rounds it leaves one alone.
        public static long OfSteadyState(ThreadAllocation[] times) =>
            times.Chunk(times.Length / 4).Min(Growth);

        private static long Growth(ThreadAllocation[] times) => times
            .GroupBy(time => time.Thread, time => time.Bytes)
            .Sum(bytes => bytes.Max() - bytes.Min());
    }
}
