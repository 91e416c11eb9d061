using System.Net;
using System.Net.Sockets;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
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
            new LinkAddress("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port), owner, owner);
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

    private static byte[] Read(NetworkStream stream, int length)
    {
        byte[] bytes = new byte[length];
        stream.ReadTimeout = 30_000;
        stream.ReadExactly(bytes);
        return bytes;
    }
}
