using System.Buffers.Binary;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>What a node tells before frames flow.</summary>
internal enum HelloKind : byte
{
    /// <summary>The dialling node asks for a link.</summary>
    Dial = 1,

    /// <summary>The listening node accepts.</summary>
    Welcome = 2,

    /// <summary>The listening node refuses, and closes.</summary>
    Refusal = 3,
}

/// <summary>What a node's end of a link can take.</summary>
/// <param name="BulkWindow">Bulk frames that the other may send to begin with.</param>
/// <param name="SmallWindow">Small frames that the other may send to begin with.</param>
/// <param name="Silence">After this long without a byte it closes the link.</param>
internal sealed record LinkTerms(int BulkWindow, int SmallWindow, TimeSpan Silence)
{
    /// <summary>What the options say.</summary>
    public static LinkTerms Of(LinkOptions options) =>
        new(options.BulkWindow, options.SmallWindow, options.SilenceDeadline);
}

/// <summary>The handshake's messages; <c>docs/tensor-links.md</c> has the bytes.</summary>
internal static class Hello
{
    /// <summary>The version of the protocol that this code speaks.</summary>
    public const int ProtocolVersion = 1;

    /// <summary>Bytes before the body.</summary>
    public const int PrefixBytes = 12;

    /// <summary>Bytes of the longest body.</summary>
    public const int MaxBodyBytes = 1024;

    private const int TermsBytes = 8;
    private const int CrcBytes = sizeof(uint);

    private static ReadOnlySpan<byte> Magic => "BPTL"u8;

    /// <summary>The bytes of a <see cref="HelloKind.Dial"/> or a
    /// <see cref="HelloKind.Welcome"/>.</summary>
    public static byte[] Encode(HelloKind kind, LinkIdentity identity, LinkTerms terms)
    {
        Span<byte> body = stackalloc byte[MaxBodyBytes];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)terms.BulkWindow);
        BinaryPrimitives.WriteUInt16LittleEndian(body[2..], (ushort)terms.SmallWindow);
        BinaryPrimitives.WriteUInt32LittleEndian(
            body[4..], (uint)terms.Silence.TotalMilliseconds);
        int length = TermsBytes;
        foreach (string text in
            (ReadOnlySpan<string>)[identity.Cluster, identity.Node, identity.SoftwareVersion])
        {
            byte[] bytes = LinkText.Encode(text, LinkIdentity.MaxTextBytes);
            body[length] = (byte)bytes.Length;
            bytes.CopyTo(body[(length + 1)..]);
            length += 1 + bytes.Length;
        }

        return Frame(kind, body[..length]);
    }

    /// <summary>The bytes of a refusal.</summary>
    public static byte[] EncodeRefusal(string reason) =>
        Frame(HelloKind.Refusal, LinkText.Encode(reason, FrameHeader.MaxReasonBytes));

    /// <summary>Reads one of the messages.</summary>
    /// <param name="connection">Where from.</param>
    /// <param name="wanted">What may come; a refusal is heard instead of a welcome.</param>
    /// <param name="deadline">Within which it must be whole.</param>
    /// <exception cref="LinkEndedException">It is no such message, or the peer refused.</exception>
    /// <exception cref="IOException">The connection failed, or the time is up.</exception>
    public static (LinkIdentity Identity, LinkTerms Terms) Read(
        LinkConnection connection, HelloKind wanted, Deadline deadline)
    {
        Span<byte> bytes = stackalloc byte[PrefixBytes + MaxBodyBytes + CrcBytes];
        connection.ReadExactly(bytes[..PrefixBytes], deadline);
        int bodyBytes = CheckPrefix(bytes[..PrefixBytes], wanted, out HelloKind kind);
        Span<byte> rest = bytes.Slice(PrefixBytes, bodyBytes + CrcBytes);
        connection.ReadExactly(rest, deadline);
        if (Crc32C.Of(bytes[..(PrefixBytes + bodyBytes)])
            != BinaryPrimitives.ReadUInt32LittleEndian(rest[bodyBytes..]))
        {
            throw Refused("the handshake does not match its checksum");
        }

        Span<byte> body = rest[..bodyBytes];
        if (kind == HelloKind.Refusal)
        {
            throw new LinkEndedException(
                LinkEndKind.NotOpened, "the peer refused: " + LinkText.Decode(body));
        }

        (LinkIdentity identity, LinkTerms terms) = Decode(body);
        return (identity with { CertifiedRoles = connection.CertifiedRoles }, terms);
    }

    private static byte[] Frame(HelloKind kind, ReadOnlySpan<byte> body)
    {
        byte[] bytes = new byte[PrefixBytes + body.Length + CrcBytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(4), ProtocolVersion);
        bytes[6] = (byte)kind;
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(8), body.Length);
        body.CopyTo(bytes.AsSpan(PrefixBytes));
        BinaryPrimitives.WriteUInt32LittleEndian(
            bytes.AsSpan(PrefixBytes + body.Length), Crc32C.Of(bytes.AsSpan(..^CrcBytes)));
        return bytes;
    }

    private static int CheckPrefix(
        ReadOnlySpan<byte> prefix, HelloKind wanted, out HelloKind kind)
    {
        if (!prefix.StartsWith(Magic))
        {
            throw Refused("this is no tensor link: the handshake does not begin with BPTL");
        }

        kind = (HelloKind)prefix[6];
        int version = BinaryPrimitives.ReadUInt16LittleEndian(prefix[4..]);
        bool refusal = kind == HelloKind.Refusal && wanted == HelloKind.Welcome;

        // A refusal has the same form in every version, so that this one can be read.
        if (version != ProtocolVersion && !refusal)
        {
            throw Refused(
                $"the peer speaks version {version} of the link protocol, this node"
                + $" {ProtocolVersion}");
        }

        if (kind != wanted && !refusal)
        {
            throw Refused($"a handshake of kind {(byte)kind} where {wanted} was due");
        }

        uint length = BinaryPrimitives.ReadUInt32LittleEndian(prefix[8..]);
        uint most = refusal ? FrameHeader.MaxReasonBytes : (uint)MaxBodyBytes;
        return length <= most && prefix[7] == 0
            ? (int)length
            : throw Refused($"a handshake of {length} bytes; the longest has {most}");
    }

    private static (LinkIdentity Identity, LinkTerms Terms) Decode(ReadOnlySpan<byte> body)
    {
        if (body.Length < TermsBytes)
        {
            throw Refused("a handshake that ends too early");
        }

        int bulk = BinaryPrimitives.ReadUInt16LittleEndian(body);
        int small = BinaryPrimitives.ReadUInt16LittleEndian(body[2..]);
        uint silence = BinaryPrimitives.ReadUInt32LittleEndian(body[4..]);
        if (bulk == 0 || small == 0 || silence is < 10 or > 3_600_000)
        {
            throw Refused(
                $"a handshake with windows of {bulk} and {small} frames and {silence} ms of"
                + " silence");
        }

        ReadOnlySpan<byte> rest = body[TermsBytes..];
        var identity = new LinkIdentity(Text(ref rest), Text(ref rest), Text(ref rest));
        return rest.IsEmpty
            ? (identity, new LinkTerms(bulk, small, TimeSpan.FromMilliseconds(silence)))
            : throw Refused("a handshake with something after its end");
    }

    private static string Text(ref ReadOnlySpan<byte> rest)
    {
        if (rest.IsEmpty || rest.Length <= rest[0])
        {
            throw Refused("a handshake that ends too early");
        }

        string text = LinkText.Decode(rest.Slice(1, rest[0]));
        rest = rest[(1 + rest[0])..];
        return text;
    }

    private static LinkEndedException Refused(string reason) => new(LinkEndKind.Refused, reason);
}
