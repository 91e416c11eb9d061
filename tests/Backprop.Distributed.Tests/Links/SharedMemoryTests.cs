using System.Buffers.Binary;
using System.Globalization;
using System.Net.Sockets;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Engine;

namespace Backprop.Distributed.Tests.Links;

/// <summary>Pieces in memory that two processes have in common: when they go there, that nothing of
/// it stays, and what a node does with those who do not keep to the rules.</summary>
public sealed class SharedMemoryTests : IDisposable
{
    // As no other test has it, so that mappings are known by their length.
    private const int Slots = 7;
    private const int Length = FrameHeader.MaxPieceBytes / sizeof(float);
    private const int BytesAtSlot = FrameHeader.Bytes;

    private static readonly LinkOptions s_options = new()
    {
        BulkWindow = Slots,
        OpeningDeadline = TimeSpan.FromSeconds(20),
        ClosingDeadline = TimeSpan.FromSeconds(5),
    };

    private readonly SocketFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Both_ways_go_through_memory_and_nothing_stays()
    {
        for (int i = 0; i < 20; i++)
        {
            using (LinkPair pair = Joined(s_options, s_options))
            {
                AssertArrives(pair, pair.Dialled, pair.ListenerOwner);
                AssertArrives(pair, pair.Accepted, pair.DiallerOwner);

                // Two of them, and both ends are in this process.
                AssertMappings(4);
            }

            AssertMappings(0);
        }

        Assert.Equal(0, CountFiles());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Where_one_end_has_no_memory_pieces_go_through_the_socket(bool dialler)
    {
        LinkOptions without = s_options with { SharesMemory = false };
        using LinkPair pair = Joined(
            dialler ? without : s_options, dialler ? s_options : without);
        AssertArrives(pair, pair.Dialled, pair.ListenerOwner);
        AssertArrives(pair, pair.Accepted, pair.DiallerOwner);
        AssertMappings(0);
        Assert.Equal(0, CountFiles());
    }

    [Fact]
    public void What_has_arrived_stays_when_the_link_has_ended()
    {
        LinkPair pair = Joined(s_options, s_options);
        AlignedBuffer numbers = pair.Numbers(Length);
        float[] sent = numbers.Span.ToArray();
        pair.Send(pair.Dialled, LinkPair.PushOf(Length), numbers);
        Arrival arrival = pair.ListenerOwner.WaitArrival();
        pair.Dispose();

        Assert.True(arrival.Elements.SequenceEqual(sent));
        AssertMappings(1);
        arrival.Dispose();
        Assert.Throws<ObjectDisposedException>(() => arrival.Payload.Length);
        AssertMappings(0);
    }

    [Fact]
    public void Dropped_pieces_give_their_slots_back()
    {
        using LinkPair pair = Joined(s_options, s_options);
        AlignedBuffer numbers = pair.Numbers(Length);
        pair.ListenerOwner.Verdict = header =>
            header.Step > 0 ? FrameVerdict.Drop("not now") : FrameVerdict.Accept;
        for (int step = 1; step <= 3 * Slots; step++)
        {
            Assert.Equal(
                SendResult.Queued,
                pair.Send(pair.Dialled, LinkPair.PushOf(Length, step), numbers));
            pair.DiallerOwner.WaitReleased();
        }

        AssertArrives(pair, pair.Dialled, pair.ListenerOwner);
    }

    [Theory]
    [InlineData(-1, "in slot -1 of 7")]
    [InlineData(Slots, "in slot 7 of 7")]
    [InlineData(int.MaxValue, "in slot 2147483647 of 7")]
    [InlineData(3, "in slot 3 in memory, which was not filled for it")]
    public void A_slot_that_was_not_filled_is_refused(int slot, string reason)
    {
        using var node = new Node(_folder);
        using RawPeer peer = node.Join(out SharedMemory memory);
        peer.Send(InMemory(slot));
        Assert.Contains(reason, peer.ReadGoodbye());
        memory.Dispose();
        node.AssertListens();
    }

    [Fact]
    public void A_slot_that_is_held_is_refused()
    {
        using var node = new Node(_folder);
        using RawPeer peer = node.Join(out SharedMemory memory);
        Fill(memory, 2);
        peer.Send(InMemory(2));
        using Arrival arrival = node.Owner.WaitArrival();
        Fill(memory, 2);
        peer.Send(InMemory(2));
        Assert.Contains("in slot 2 in memory", peer.ReadGoodbye());
        memory.Dispose();
        node.AssertListens();
    }

    [Fact]
    public void A_checksum_of_what_lies_in_memory_is_refused()
    {
        using var node = new Node(_folder);
        using RawPeer peer = node.Join(out SharedMemory memory);
        Fill(memory, 0);
        byte[] frame = InMemory(0);
        frame[56] = 1;
        RawPeer.Resealed(frame);
        peer.Send(frame);
        Assert.Contains("in memory with a checksum", peer.ReadGoodbye());
        memory.Dispose();
        node.AssertListens();
    }

    [Fact]
    public void Memory_of_a_wrong_length_or_without_seals_is_not_used()
    {
        using var node = new Node(_folder);
        using SharedMemory? other = SharedMemory.Create(
            PieceSlots.BytesOf(Node.PeerSlots) - 4_096, out var file);
        Assert.NotNull(other);
        using var plain = new FileStream(
            _folder.PathOf("plain"), FileMode.CreateNew, FileAccess.ReadWrite);
        plain.SetLength(PieceSlots.BytesOf(Node.PeerSlots));
        int[] wrong =
        [
            (int)file!.DangerousGetHandle(), (int)plain.SafeFileHandle.DangerousGetHandle(),
            int.MaxValue, MemoryOffer.None, int.MinValue,
        ];
        foreach (int descriptor in wrong)
        {
            using RawPeer peer = node.Dial();
            Assert.Equal(
                MemoryOffer.NotMapped,
                peer.ShareMemory(descriptor, MemoryOffer.NotMapped).Answer);
            node.AssertTakes(peer);
        }

        file.Dispose();
    }

    [Fact]
    public void What_is_no_offer_or_no_answer_is_refused()
    {
        using var node = new Node(_folder);
        using (RawPeer peer = node.Dial())
        {
            // Who hangs up before the node has written its own offer is refused for that.
            peer.SendAsFarAsTaken(new byte[MemoryOffer.Bytes]);
            Assert.Contains("no offer of memory", node.Acceptor.WaitRefusal());
        }

        using (RawPeer peer = node.Dial())
        {
            peer.ShareMemory(MemoryOffer.None, answer: 2);
            Assert.Contains("no answer to the offer", node.Acceptor.WaitRefusal());
        }

        node.AssertListens();
    }

    [Fact]
    public void Who_grants_credit_and_no_slot_is_refused()
    {
        using var node = new Node(_folder);
        using SharedMemory? memory = SharedMemory.Create(
            PieceSlots.BytesOf(Node.PeerSlots), out var file);
        for (int slot = 0; slot < Node.PeerSlots; slot++)
        {
            PieceSlots.StateOf(memory!.DangerousGetHandle(), slot) = PieceSlots.Full;
        }

        using RawPeer peer = node.Dial();
        Assert.Equal(
            MemoryOffer.Mapped,
            peer.ShareMemory((int)file!.DangerousGetHandle(), MemoryOffer.NotMapped).Answer);
        file.Dispose();
        using var numbers = new AlignedBuffer(Length);
        node.Owner.WaitOpened().TrySend(LinkPair.PushOf(Length), numbers, 0, node.Owner);
        LinkEnd end = node.Owner.WaitEnd();
        Assert.Equal(LinkEndKind.Refused, end.Kind);
        Assert.Contains("while all of its 4 slots", end.Reason);
        Assert.False(node.Owner.WaitReleased().Sent);
        node.AssertListens();
    }

    private static byte[] InMemory(int slot)
    {
        byte[] bytes = new byte[BytesAtSlot + sizeof(int)];
        LinkPair.PushOf(Length).Write(0, bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(BytesAtSlot), slot);
        return bytes;
    }

    private static void Fill(SharedMemory memory, int slot) => Volatile.Write(
        ref PieceSlots.StateOf(memory.DangerousGetHandle(), slot), PieceSlots.Full);

    private static void AssertArrives(LinkPair pair, ITensorLink sender, RecordingOwner receiver)
    {
        AlignedBuffer numbers = pair.Numbers(Length);
        Assert.Equal(SendResult.Queued, pair.Send(sender, LinkPair.PushOf(Length), numbers));
        using Arrival arrival = receiver.WaitArrival();
        Assert.True(arrival.Elements.SequenceEqual(numbers.Span));
    }

    private static void AssertMappings(int count)
    {
        const int page = 4_096;
        long bytes = (PieceSlots.BytesOf(Slots) + page - 1) / page * page;
        string[] mappings =
        [
            .. File.ReadLines("/proc/self/maps").Where(line =>
            {
                string[] range = line.Split(' ')[0].Split('-');
                return line.Contains("memfd:backprop-link", StringComparison.Ordinal)
                    && Parse(range[1]) - Parse(range[0]) == bytes;
            }),
        ];
        Assert.True(
            mappings.Length == count, $"not {count}:\n" + string.Join('\n', mappings));
    }

    private static long Parse(string address) =>
        long.Parse(address, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);

    // Links and tests run beside this one: what is theirs has another length.
    private static int CountFiles() => Directory.GetFiles("/proc/self/fd").Count(path =>
    {
        try
        {
            return new FileInfo(path).LinkTarget is { } target
                && target.Contains("memfd:backprop-link", StringComparison.Ordinal)
                && IsOfThisLength(path);
        }
        catch (IOException)
        {
            // Closed meanwhile.
            return false;
        }
    });

    private static bool IsOfThisLength(string path)
    {
        using var file = File.OpenHandle(path);
        return RandomAccess.GetLength(file) == PieceSlots.BytesOf(Slots);
    }

    private LinkPair Joined(LinkOptions dialler, LinkOptions listener) => LinkPair.Joined(
        new TcpTransport(LinkPair.Identity("a"), dialler, null, _folder.Open()),
        new TcpTransport(LinkPair.Identity("b"), listener, null, _folder.Open()));

    // A node that listens, and raw peers that dial it.
    private sealed class Node : IDisposable
    {
        // As in the hello of raw peers.
        public const int PeerSlots = 4;

        private readonly TcpTransport _transport;
        private readonly UnixDomainSocketEndPoint _address;

        public Node(SocketFolder folder)
        {
            LocalSockets local = folder.Open();
            Acceptor = new RecordingAcceptor(Owner);
            _transport = new TcpTransport(LinkPair.Identity("b"), s_options, null, local);
            _transport.Listen(new LinkAddress("127.0.0.1", 0), Acceptor);
            _address = new UnixDomainSocketEndPoint(local.PathOf("test", "b"));
        }

        public RecordingOwner Owner { get; } = new();

        public RecordingAcceptor Acceptor { get; }

        public RawPeer Dial()
        {
            var peer = new RawPeer(_address);
            peer.Join();
            return peer;
        }

        /// <summary>A peer that has the node's memory, and offers none.</summary>
        public RawPeer Join(out SharedMemory memory)
        {
            var peer = new RawPeer(_address);
            peer.Join();
            peer.Send(MemoryOffer.Encode(MemoryOffer.None));
            SharedMemory? opened = SharedMemory.Open(
                Environment.ProcessId, peer.ReadNumber(), PieceSlots.BytesOf(Slots));
            Assert.NotNull(opened);
            peer.Send(MemoryOffer.Encode(MemoryOffer.Mapped));
            Assert.Equal(MemoryOffer.NotMapped, peer.ReadNumber());
            memory = opened;
            return peer;
        }

        public void AssertListens()
        {
            using RawPeer peer = Dial();
            peer.ShareMemory(MemoryOffer.None, MemoryOffer.NotMapped);
            AssertTakes(peer);
        }

        /// <summary>It takes a piece through the socket.</summary>
        public void AssertTakes(RawPeer peer)
        {
            byte[] payload = new byte[FrameHeader.MaxPieceBytes];
            Random.Shared.NextBytes(payload);
            peer.Send(RawPeer.Frame(LinkPair.PushOf(Length), payload));
            using Arrival arrival = Owner.WaitArrival();
            Assert.True(arrival.Payload.SequenceEqual(payload));
        }

        public void Dispose() => _transport.Dispose();
    }
}
