using System.Net;
using System.Net.Sockets;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Serving.Copies;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Links;

/// <summary>The bytes of docs/tensor-links.md: nodes of other builds read them.</summary>
public sealed class WireFormatTests
{
    [Fact]
    public void A_run_is_named_by_its_hash() =>
        Assert.Equal("d8e41f1ad046acdc1187806d48d90611", LinkPair.Run.ToString());

    [Fact]
    public void A_push_has_these_bytes()
    {
        FrameHeader header = FrameHeader.Push(
            LinkPair.Run, 0x1122, 0x3344556677, new TreeNode(2, 0x0ABC), 0x0D0E, 0x10203040, 2);
        byte[] bytes = RawPeer.Frame(header, [0, 0, 128, 63, 0, 0, 0, 64]);
        Assert.Equal(
            "01000002bc0a00001106d9486d808711dcac46d01a1fe4d82211000000000000"
                + "77665544330000000e0d0000403020100800000000000000b1c9c028c2675f10"
                + "0000803f00000040",
            Convert.ToHexStringLower(bytes));
        Assert.Null(FrameHeader.Read(bytes, out FrameHeader read, out uint crc));
        Assert.Equal(header, read);
        Assert.Equal(Crc32C.Of([0, 0, 128, 63, 0, 0, 0, 64]), crc);
    }

    [Fact]
    public void A_rounded_push_has_these_bytes()
    {
        FrameHeader header = FrameHeader.Push(
            LinkPair.Run, 0x1122, 0x3344556677, new TreeNode(2, 0x0ABC), 0x0D0E, 0x10203040, 2,
            ElementEncoding.Bf16);
        byte[] bytes = RawPeer.Frame(header, [128, 63, 0, 64]);
        Assert.Equal(
            "01010002bc0a00001106d9486d808711dcac46d01a1fe4d82211000000000000"
                + "77665544330000000e0d00004030201004000000000000007643fb867d2b2a94"
                + "803f0040",
            Convert.ToHexStringLower(bytes));
        Assert.Null(FrameHeader.Read(bytes, out FrameHeader read, out _));
        Assert.Equal(header, read);
        Assert.Equal(2, read.ElementCount);
    }

    [Fact]
    public void The_encodings_have_these_numbers() => Assert.Equal(
        [(0, "Fp32"), (1, "Bf16")],
        Enum.GetValues<ElementEncoding>().Select(one => ((int)one, one.ToString())));

    [Fact]
    public void A_block_of_a_copy_has_these_bytes()
    {
        float[] elements = [1, 2];
        byte[] digest = BitConverter.GetBytes(CopiedSlice.DigestOf(elements));
        byte[] bytes = RawPeer.Frame(
            FrameHeader.Copy(LinkPair.Run, 0x3344556677, section: 2, offset: 131_072, length: 3),
            [0, 0, 128, 63, 0, 0, 0, 64, .. digest]);
        AssertIs(
            "09000000000000001106d9486d808711dcac46d01a1fe4d80000000000000000"
                + "776655443300000002000000000002000c00000000000000c74b6748be360d79"
                + "0000803f00000040b1c9c028",
            bytes);
    }

    [Fact]
    public void An_offer_and_a_request_have_these_bytes()
    {
        var copy = new SliceCopy(2, 3, 0x3344556677, 30, 1.5);
        var payload = new byte[FrameHeader.OfferBytes];
        CopyOffer.Write(copy, payload);
        var header = FrameHeader.CopyOffer(LinkPair.Run, 0x1122, 0x3344556677, 2, 3);
        AssertIs(
            "0a000000000000001106d9486d808711dcac46d01a1fe4d82211000000000000"
                + "7766554433000000020000000300000018000000000000004ad095175a8a59f3"
                + "1e000000000000000100000000000000000000000000f83f",
            RawPeer.Frame(header, payload));
        Assert.Equal(copy, CopyOffer.Read(header, payload));

        SliceCopy bare = copy with { BestVersion = null, EpochLossSum = null };
        CopyOffer.Write(bare, payload);
        Assert.Equal(bare, CopyOffer.Read(header, payload));

        AssertIs(
            "0b000000000000001106d9486d808711dcac46d01a1fe4d80000000000000000"
                + "776655443300000000000000000000000800000000000000262e4d12c3ecf180"
                + "0500000008000000",
            RawPeer.Frame(
                FrameHeader.CopyRequest(LinkPair.Run, 0x3344556677, 2),
                [5, 0, 0, 0, 8, 0, 0, 0]));
    }

    [Fact]
    public void A_handshake_has_these_bytes()
    {
        var terms = new LinkTerms(8, 16, TimeSpan.FromSeconds(10));
        Assert.Equal(
            "4250544c010001001600000008001000102700000163076e6f64652dc3a90330"
                + "2e31e9d6ab9c",
            Convert.ToHexStringLower(
                Hello.Encode(HelloKind.Dial, new LinkIdentity("c", "node-é", "0.1"), terms)));
        Assert.Equal(
            "4250544c01000300020000006e6fb21eab2d",
            Convert.ToHexStringLower(Hello.EncodeRefusal("no")));
    }

    [Fact]
    public void The_types_have_these_numbers() => Assert.Equal(
        [
            (1, "Push"), (2, "Broadcast"), (3, "Loss"), (4, "BlockSums"), (5, "RequestPieces"),
            (6, "Credit"), (7, "Heartbeat"), (8, "Close"),
            (9, "Copy"), (10, "CopyOffer"), (11, "CopyRequest"),
        ],
        Enum.GetValues<FrameType>().Select(type => ((int)type, type.ToString())));

    [Fact]
    public void A_link_sends_these_bytes()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var transport = new TcpTransport(LinkPair.Identity("a"), new LinkOptions());
        var owner = new RecordingOwner();
        using ITensorLink link = transport.Dial(
            new LinkAddress("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port), "b", owner,
            owner);
        using TcpClient client = listener.AcceptTcpClient();
        using NetworkStream stream = client.GetStream();
        byte[] hello = Hello.Encode(
            HelloKind.Dial, LinkPair.Identity("a"), LinkTerms.Of(new LinkOptions()));
        Assert.Equal(hello, Read(stream, hello.Length));
        stream.Write(Hello.Encode(
            HelloKind.Welcome,
            LinkPair.Identity("b"),
            new LinkTerms(1, 1, TimeSpan.FromMinutes(1))));
        owner.WaitOpened();

        using var buffer = new AlignedBuffer(2);
        buffer.Span[0] = 1;
        buffer.Span[1] = 2;
        link.TrySend(LinkPair.PushOf(2), buffer, 0, owner);
        byte[] push = RawPeer.Frame(LinkPair.PushOf(2), [0, 0, 128, 63, 0, 0, 0, 64]);
        Assert.Equal(push, Read(stream, push.Length));

        link.Close("done");
        var close = new FrameHeader { Type = FrameType.Close, PayloadBytes = 4 };
        byte[] goodbye = RawPeer.Frame(close, "done"u8);
        Assert.Equal(goodbye, Read(stream, goodbye.Length));
        Assert.Equal(-1, stream.ReadByte());
    }

    [Fact]
    public void A_text_from_a_peer_cannot_steer_a_terminal() =>
        Assert.Equal("?[2J stop?", LinkText.Decode("\u001b[2J stop\n"u8));

    private static void AssertIs(string hex, byte[] bytes)
    {
        Assert.Equal(hex, Convert.ToHexStringLower(bytes));
        Assert.Null(FrameHeader.Read(bytes, out _, out _));
    }

    private static byte[] Read(NetworkStream stream, int length)
    {
        byte[] bytes = new byte[length];
        stream.ReadTimeout = 30_000;
        stream.ReadExactly(bytes);
        return bytes;
    }
}
