using System.Buffers.Binary;
using System.Net.Sockets;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;

namespace Backprop.Distributed.Tests.Links;

/// <summary>A peer that sends whatever bytes a test wants.</summary>
internal sealed class RawPeer : IDisposable
{
    private readonly Socket _socket;
    private readonly NetworkStream _stream;

    public RawPeer(LinkAddress address)
        : this(new TcpClient(address.Host, address.Port).Client)
    {
    }

    /// <summary>A peer of the same machine.</summary>
    public RawPeer(UnixDomainSocketEndPoint node)
        : this(Connected(node))
    {
    }

    private RawPeer(Socket socket)
    {
        _socket = socket;
        _stream = new NetworkStream(socket, ownsSocket: true) { ReadTimeout = 30_000 };
    }

    /// <summary>A handshake that every node of the tests accepts.</summary>
    public static byte[] Hello(string node = "raw", TimeSpan? silence = null) =>
        Distributed.Links.Tcp.Hello.Encode(
            HelloKind.Dial,
            LinkPair.Identity(node),
            new LinkTerms(4, 4, silence ?? TimeSpan.FromSeconds(30)));

    /// <summary>The bytes of a frame as a link would send them.</summary>
    public static byte[] Frame(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        byte[] bytes = new byte[FrameHeader.Bytes + payload.Length];
        header.Write(Crc32C.Of(payload), bytes);
        payload.CopyTo(bytes.AsSpan(FrameHeader.Bytes));
        return bytes;
    }

    /// <summary>Makes the header's checksum right again after a change.</summary>
    public static byte[] Resealed(byte[] frame)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(60), Crc32C.Of(frame.AsSpan(0, 60)));
        return frame;
    }

    public void Send(ReadOnlySpan<byte> bytes) => _stream.Write(bytes);

    /// <summary>Sends what the other end may refuse, and close, before it has all.</summary>
    public void SendAsFarAsTaken(ReadOnlySpan<byte> bytes)
    {
        SendAsFarAsTakenKeepingOpen(bytes);
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            // Refused already.
        }
    }

    /// <summary>The same, and more may follow.</summary>
    public void SendAsFarAsTakenKeepingOpen(ReadOnlySpan<byte> bytes)
    {
        try
        {
            Send(bytes);
        }
        catch (IOException)
        {
            // Refused already.
        }
    }

    /// <summary>Shakes hands and reads the welcome.</summary>
    public void Join(string node = "raw", TimeSpan? silence = null)
    {
        Send(Hello(node, silence));
        byte[] welcome = Read(ReadPrefix(out int rest), rest);
        Assert.Equal((byte)HelloKind.Welcome, welcome[6]);
    }

    /// <summary>Says what memory it has, and hears what the node has and what it makes of this.
    /// </summary>
    /// <param name="descriptor">Of the memory.</param>
    /// <param name="answer">What it makes of the node's offer.</param>
    public (int Descriptor, int Answer) ShareMemory(int descriptor, int answer)
    {
        Send(MemoryOffer.Encode(descriptor));
        int offered = ReadNumber();
        Send(MemoryOffer.Encode(answer));
        return (offered, ReadNumber());
    }

    /// <summary>Reads an offer of memory, or an answer to one.</summary>
    public int ReadNumber()
    {
        byte[] bytes = new byte[MemoryOffer.Bytes];
        _stream.ReadExactly(bytes);
        return BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(4));
    }

    /// <summary>Reads a refusal's reason.</summary>
    public string ReadRefusal()
    {
        byte[] bytes = Read(ReadPrefix(out int rest), rest);
        Assert.Equal((byte)HelloKind.Refusal, bytes[6]);
        return LinkText.Decode(bytes.AsSpan(Distributed.Links.Tcp.Hello.PrefixBytes..^4));
    }

    /// <summary>Reads a frame's header, and its payload if it is a goodbye.</summary>
    public FrameHeader ReadFrame(out string? reason)
    {
        byte[] bytes = new byte[FrameHeader.Bytes];
        _stream.ReadExactly(bytes);
        Assert.Null(FrameHeader.Read(bytes, out FrameHeader header, out _));
        byte[] payload = new byte[header.PayloadBytes];
        _stream.ReadExactly(payload);
        reason = header.Type == FrameType.Close ? LinkText.Decode(payload) : null;
        return header;
    }

    /// <summary>Reads until the goodbye.</summary>
    public string ReadGoodbye()
    {
        while (true)
        {
            ReadFrame(out string? reason);
            if (reason is not null)
            {
                return reason;
            }
        }
    }

    /// <summary>Whether the other end has closed, or reset, the connection.</summary>
    public void WaitClosed()
    {
        byte[] scratch = new byte[4_096];
        try
        {
            while (_stream.Read(scratch) > 0)
            {
            }
        }
        catch (IOException failure) when (failure.InnerException is SocketException
            { SocketErrorCode: SocketError.ConnectionReset })
        {
            // Closed while bytes of ours were still unread.
        }
    }

    public void Dispose() => _stream.Dispose();

    private static Socket Connected(UnixDomainSocketEndPoint node)
    {
        Socket socket = LocalSockets.NewSocket();
        socket.Connect(node);
        return socket;
    }

    private byte[] ReadPrefix(out int rest)
    {
        byte[] prefix = new byte[Distributed.Links.Tcp.Hello.PrefixBytes];
        _stream.ReadExactly(prefix);
        rest = BinaryPrimitives.ReadInt32LittleEndian(prefix.AsSpan(8)) + sizeof(uint);
        return prefix;
    }

    private byte[] Read(byte[] prefix, int rest)
    {
        byte[] bytes = new byte[prefix.Length + rest];
        prefix.CopyTo(bytes, 0);
        _stream.ReadExactly(bytes.AsSpan(prefix.Length));
        return bytes;
    }
}
