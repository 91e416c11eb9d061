using System.Buffers.Binary;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;

namespace Backprop.Distributed.Tests.Links;

/// <summary>What a node does with peers that are broken or mean it no good: it refuses with a
/// reason, and goes on listening.</summary>
public sealed class HostilePeerTests : IDisposable
{
    private static readonly LinkOptions Options = new()
    {
        BulkWindow = 2,
        SmallWindow = 2,
        MaxAccepted = 4,
        MaxAcceptedPerNode = 2,
        OpeningDeadline = TimeSpan.FromSeconds(20),
        ClosingDeadline = TimeSpan.FromSeconds(5),
    };

    private readonly RecordingOwner _owner = new();
    private readonly RecordingAcceptor _acceptor;
    private TcpTransport _transport;
    private ITensorListener _listener;

    public HostilePeerTests()
    {
        _acceptor = new RecordingAcceptor(_owner);
        _transport = new TcpTransport(LinkPair.Identity("b"), Options);
        _listener = _transport.Listen(new LinkAddress("127.0.0.1", 0), _acceptor);
    }

    public static TheoryData<string, int, byte, string> Changes => new()
    {
        { "type", 0, 99, "99 is no type" },
        { "type of a handshake", 0, (byte)'B', "66 is no type" },
        { "reserved", 2, 1, "reserved" },
        { "encoding", 1, 2, "a Push frame whose elements are encoded as 2" },
        { "type of another encoding", 1, 0xFF, "encoded as 255" },
        { "level", 3, 17, "tree node" },
        { "node index", 6, 1, "tree node" },
        { "generation", 31, 0x80, "negative" },
        { "step", 39, 0xFF, "negative" },
        { "piece", 43, 0x80, "negative" },
        { "offset", 47, 0x80, "negative" },
        { "length 2^60", 55, 0x10, "1152921504606846984" },
        { "length 2^63", 55, 0x80, "9223372036854775816" },
        { "length 2^24", 51, 1, "the longest has 1048576" },
        { "odd length", 48, 9, "units of 4" },
        { "no length", 48, 0, "4 to 1048576" },
    };

    public void Dispose() => _transport.Dispose();

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_frame_with_an_impossible_field_is_refused(
        string field, int at, byte value, string word)
    {
        byte[] frame = RawPeer.Frame(LinkPair.PushOf(2), new byte[8]);
        frame[at] = value;
        AssertRefused(RawPeer.Resealed(frame), word, field);
    }

    [Theory]
    [InlineData(0, 2, "a Broadcast frame whose elements are encoded as Bf16")]
    [InlineData(0, 3, "a Loss frame whose elements are encoded as Bf16")]
    [InlineData(0, 7, "a Heartbeat frame whose elements are encoded as Bf16")]
    [InlineData(48, 3, "units of 2")]
    [InlineData(48, 0, "2 to 524288")]
    [InlineData(50, 8, "2 to 524288")]
    public void A_frame_that_cannot_be_rounded_is_refused(int at, byte value, string word)
    {
        byte[] frame = RawPeer.Frame(LinkPair.RoundedPushOf(2), new byte[4]);
        frame[at] = value;
        AssertRefused(RawPeer.Resealed(frame), word, word);
    }

    [Fact]
    public void A_header_that_does_not_match_its_checksum_is_refused()
    {
        byte[] frame = RawPeer.Frame(LinkPair.PushOf(2), new byte[8]);
        frame[33] ^= 4;
        AssertRefused(frame, "header does not match", "header");
    }

    [Fact]
    public void A_payload_that_does_not_match_its_checksum_is_refused()
    {
        byte[] frame = RawPeer.Frame(LinkPair.PushOf(2), new byte[8]);
        frame[^1] ^= 4;
        AssertRefused(frame, "payload of a Push frame does not match", "payload");
    }

    [Fact]
    public void Frames_beyond_the_credit_are_refused()
    {
        byte[] frame = RawPeer.Frame(LinkPair.PushOf(2), new byte[8]);
        AssertRefused([.. frame, .. frame, .. frame], "without credit", "credit");
        Assert.Equal(2, _owner.ArrivalsKept);
    }

    [Fact]
    public void More_credit_than_the_window_is_refused()
    {
        var credit = new FrameHeader { Type = FrameType.Credit, Piece = 1 };
        AssertRefused(RawPeer.Frame(credit, []), "exceeds the window", "credit");
    }

    [Fact]
    public void A_frame_cut_short_ends_the_link_and_nothing_arrives()
    {
        byte[] frame = RawPeer.Frame(LinkPair.PushOf(200), new byte[800]);
        foreach (int length in (int[])[1, 63, 64, 65, 863])
        {
            using var peer = new RawPeer(_listener.Address);
            peer.Join();
            _owner.WaitOpened();
            peer.SendAsFarAsTaken(frame.AsSpan(0, length));
            LinkEnd end = _owner.WaitEnd();
            Assert.Equal(LinkEndKind.Failed, end.Kind);
            Assert.Contains("the peer closed the connection", end.Reason);
        }

        Assert.Equal(0, _owner.ArrivalsKept);
        AssertListening();
    }

    [Fact]
    public void A_peer_that_falls_silent_is_told_so()
    {
        Restart(Options with { SilenceDeadline = TimeSpan.FromMilliseconds(300) });
        using var silent = new RawPeer(_listener.Address);
        silent.Join("silent");
        _owner.WaitOpened();
        LinkEnd end = _owner.WaitEnd();
        Assert.Equal(LinkEndKind.Failed, end.Kind);
        Assert.Contains("nothing moved for 00:00:00.3", end.Reason);
        Assert.Contains("nothing moved for", silent.ReadGoodbye());
    }

    [Fact]
    public void A_link_with_nothing_to_send_sends_heartbeats()
    {
        using var peer = new RawPeer(_listener.Address);
        peer.Join(silence: TimeSpan.FromMilliseconds(30));
        Assert.Equal(FrameType.Heartbeat, peer.ReadFrame(out _).Type);
        Assert.Equal(FrameType.Heartbeat, peer.ReadFrame(out _).Type);
    }

    [Fact]
    public void A_frame_that_trickles_in_is_given_up()
    {
        Restart(Options with { FrameDeadline = TimeSpan.FromMilliseconds(300) });
        using var peer = new RawPeer(_listener.Address);
        peer.Join();
        byte[] frame = RawPeer.Frame(LinkPair.PushOf(2), new byte[8]);
        for (int i = 0; i < frame.Length && _owner.EndCount == 0; i++)
        {
            peer.SendAsFarAsTakenKeepingOpen(frame.AsSpan(i, 1));
            Thread.Sleep(20);
        }

        Assert.Contains("a frame took more than", _owner.WaitEnd().Reason);
    }

    [Fact]
    public void A_handshake_that_trickles_in_is_given_up()
    {
        Restart(Options with { OpeningDeadline = TimeSpan.FromMilliseconds(300) });
        using var peer = new RawPeer(_listener.Address);
        foreach (byte value in RawPeer.Hello().AsSpan(0, 15))
        {
            peer.SendAsFarAsTakenKeepingOpen([value]);
            Thread.Sleep(30);
        }

        Assert.Contains("the handshake failed", _acceptor.WaitRefusal());
        peer.WaitClosed();
    }

    [Theory]
    [InlineData(0, (byte)'G', "this is no tensor link")]
    [InlineData(4, 2, "speaks version 2")]
    [InlineData(6, 2, "a handshake of kind 2")]
    [InlineData(7, 1, "the longest has 1024")]
    [InlineData(11, 0x10, "the longest has 1024")]
    [InlineData(20, 200, "does not match its checksum")]
    public void A_wrong_handshake_is_refused(int at, byte value, string word)
    {
        byte[] hello = RawPeer.Hello();
        hello[at] = value;
        using var peer = new RawPeer(_listener.Address);
        peer.SendAsFarAsTaken(hello);
        Assert.Contains(word, peer.ReadRefusal());
        Assert.Contains(word, _acceptor.WaitRefusal());
        AssertListening();
    }

    [Theory]
    [InlineData(12, 0, "windows of 0")]
    [InlineData(19, 0xFF, "ms of silence")]
    [InlineData(20, 250, "ends too early")]
    [InlineData(20, 3, "ends too early|after its end")]
    public void A_handshake_that_contradicts_itself_is_refused(int at, byte value, string words)
    {
        byte[] hello = RawPeer.Hello();
        hello[at] = value;
        BinaryPrimitives.WriteUInt32LittleEndian(
            hello.AsSpan(hello.Length - 4), Crc32C.Of(hello.AsSpan(..^4)));
        using var peer = new RawPeer(_listener.Address);
        peer.SendAsFarAsTaken(hello);
        string refusal = peer.ReadRefusal();
        Assert.Contains(words.Split('|'), word => refusal.Contains(word));
    }

    [Fact]
    public void A_node_has_only_so_many_links()
    {
        using var first = new RawPeer(_listener.Address);
        using var second = new RawPeer(_listener.Address);
        using var third = new RawPeer(_listener.Address);
        first.Join();
        second.Join();
        third.Send(RawPeer.Hello());
        Assert.Equal("node raw has 2 links already", third.ReadRefusal());

        using var other = new RawPeer(_listener.Address);
        other.Join("other");
    }

    [Fact]
    public void There_are_only_so_many_connections()
    {
        var idle = new List<RawPeer>();
        for (int i = 0; i < Options.MaxAccepted; i++)
        {
            idle.Add(new RawPeer(_listener.Address));
        }

        using (var refused = new RawPeer(_listener.Address))
        {
            Assert.Equal("there are 4 links already", refused.ReadRefusal());
        }

        idle.ForEach(peer => peer.Dispose());
        for (int i = 0; i < Options.MaxAccepted; i++)
        {
            _acceptor.WaitRefusal();
        }

        AssertListening();
    }

    [Fact]
    public void A_link_that_no_buffers_are_left_for_is_refused_and_a_closed_one_makes_room()
    {
        Restart(Options with { BulkBuffers = 3 });
        var first = new RawPeer(_listener.Address);
        first.Join();
        using (var second = new RawPeer(_listener.Address))
        {
            second.Send(RawPeer.Hello("second"));
            Assert.Contains("no receive buffers left", second.ReadRefusal());
        }

        _owner.WaitOpened();
        first.Dispose();
        _owner.WaitEnd();
        AssertListening();
    }

    [Fact]
    public void Nothing_that_arrives_brings_the_listener_down()
    {
        var random = new Random(20_261_122);
        for (int trial = 0; trial < 150; trial++)
        {
            using var peer = new RawPeer(_listener.Address);
            byte[] bytes = Damaged(random);
            if (random.Next(3) > 0)
            {
                peer.Join("raw" + trial);
                _owner.WaitOpened();
                peer.SendAsFarAsTaken(bytes);
                LinkEnd end = _owner.WaitEnd();
                Assert.NotEqual(LinkEndKind.Closed, end.Kind);
            }
            else
            {
                peer.SendAsFarAsTaken(bytes);
                Assert.NotEmpty(_acceptor.WaitRefusal());
            }

            peer.WaitClosed();
        }

        AssertListening();
    }

    private static byte[] Damaged(Random random)
    {
        byte[] bytes = random.Next(2) == 0
            ? new byte[random.Next(1, 2_000)]
            : RawPeer.Frame(LinkPair.PushOf(100), new byte[400]);
        if (bytes.Length == 464 && random.Next(2) == 0)
        {
            bytes[random.Next(60)] ^= (byte)random.Next(1, 256);
            return random.Next(2) == 0 ? bytes : RawPeer.Resealed(bytes)[..random.Next(464)];
        }

        random.NextBytes(bytes);
        return bytes;
    }

    private void AssertRefused(byte[] bytes, string word, string what)
    {
        using var peer = new RawPeer(_listener.Address);
        peer.Join();
        _owner.WaitOpened();
        peer.SendAsFarAsTaken(bytes);
        LinkEnd end = _owner.WaitEnd();
        Assert.True(end.Kind == LinkEndKind.Refused, $"{what}: {end}");
        Assert.Contains(word, end.Reason);
        Assert.Equal(end.Reason, peer.ReadGoodbye());
        AssertListening();
    }

    private void AssertListening()
    {
        using var peer = new RawPeer(_listener.Address);
        peer.Join("friend");
        _owner.WaitOpened();
    }

    private void Restart(LinkOptions options)
    {
        _transport.Dispose();
        _transport = new TcpTransport(LinkPair.Identity("b"), options);
        _listener = _transport.Listen(new LinkAddress("127.0.0.1", 0), _acceptor);
    }
}
