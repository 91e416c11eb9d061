using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>
/// A connected socket and the stream that goes over it, which one thread reads and one writes.
/// Everything blocks: a thread that waits in the kernel was measured to be twice as fast as the
/// completions of asynchronous sockets.
/// </summary>
internal sealed partial class LinkConnection : IDisposable
{
    // MSG_DONTWAIT and MSG_NOSIGNAL of Linux.
    private const int AtOnce = 0x40 | 0x4000;

    // In the order of preference, fastest first; all that TLS 1.3 has in common use.
    private static readonly CipherSuitesPolicy? Ciphers = OperatingSystem.IsLinux()
        ? new CipherSuitesPolicy(
        [
            TlsCipherSuite.TLS_AES_128_GCM_SHA256, TlsCipherSuite.TLS_AES_256_GCM_SHA384,
            TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256,
        ])
        : null;

    private readonly Socket _socket;
    private Stream _stream;

    public LinkConnection(Socket socket, string remote)
    {
        _socket = socket;
        if (socket.AddressFamily == AddressFamily.Unix)
        {
            // Between processes the system has room for a fifth of a piece otherwise.
            socket.SendBufferSize = FrameHeader.MaxPieceBytes;
        }
        else
        {
            socket.NoDelay = true;
        }

        _stream = new NetworkStream(socket, ownsSocket: true);
        Remote = remote;
    }

    /// <summary>Where the other end is.</summary>
    public string Remote { get; }

    /// <summary>Whether <see cref="WriteAtOnce"/> may be called: not in TLS, whose records are
    /// written whole.</summary>
    public bool CanWriteAtOnce => OperatingSystem.IsLinux() && _stream is NetworkStream;

    /// <summary>What the other end may be by its certificate; null: there is none, since the
    /// connection is without TLS.</summary>
    public NodeRoles? CertifiedRoles { get; private set; }

    /// <summary>Where long payloads go; null: through the socket.</summary>
    public SendSlots? Sending { get; private set; }

    /// <summary>Where long payloads come from; null: through the socket.</summary>
    public ReceiveSlots? Receiving { get; private set; }

    /// <summary>Lets long payloads go through memory, each way in which it can be done, where the
    /// other end is a process of this machine.</summary>
    /// <param name="options">This node's.</param>
    /// <param name="terms">The other's.</param>
    /// <param name="deadline">Within which the two must have agreed.</param>
    /// <exception cref="LinkEndedException">The other end keeps to no agreement.</exception>
    /// <exception cref="IOException">The connection failed, or time is up.</exception>
    public void ShareMemory(LinkOptions options, LinkTerms terms, Deadline deadline)
    {
        if (_socket.AddressFamily != AddressFamily.Unix)
        {
            return;
        }

        Receiving = options.SharesMemory ? ReceiveSlots.Create(options.BulkWindow) : null;
        (bool isUsed, Sending) = MemoryOffer.Exchange(
            this,
            Receiving,
            descriptor => options.SharesMemory
                ? SendSlots.Open(
                    LocalSockets.ProcessOf(_socket), descriptor, terms.BulkWindow)
                : null,
            deadline);
        Receiving?.CloseFile();
        if (!isUsed)
        {
            Receiving?.Dispose();
            Receiving = null;
        }
    }

    /// <summary>Goes on in TLS 1.3, in which both ends show a certificate of the cluster.</summary>
    /// <param name="certificates">This node's.</param>
    /// <param name="isServer">Whether it has accepted the connection.</param>
    /// <param name="deadline">Within which hands must be shaken, however slowly bytes trickle in.
    /// </param>
    /// <exception cref="LinkEndedException">The other end has no such certificate, or speaks
    /// something else.</exception>
    /// <exception cref="IOException">The connection failed, or time is up.</exception>
    public void Secure(NodeCertificates certificates, bool isServer, Deadline deadline)
    {
        const NodeRoles wanted = NodeRoles.Worker | NodeRoles.ParameterServer;
        string? refusal = null;
        bool Validate(
            object sender, X509Certificate? shown, X509Chain? chain, SslPolicyErrors errors)
        {
            var certificate = (X509Certificate2?)shown;
            refusal = certificates.RefusalOf(certificate, wanted);
            CertifiedRoles = certificate is null || refusal is not null
                ? NodeRoles.None
                : Security.CertifiedRoles.Of(certificate);
            return refusal is null;
        }

        var secure = new SslStream(new RecordStream(_stream), leaveInnerStreamOpen: false);

        // The timeouts of single reads do not bound their sum.
        using var limit = new Timer(
            _ => Abort(), null, Milliseconds(deadline.Left), Timeout.Infinite);
        try
        {
            if (isServer)
            {
                secure.AuthenticateAsServer(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = certificates.Context,
                    ClientCertificateRequired = true,
                    EnabledSslProtocols = SslProtocols.Tls13,
                    CipherSuitesPolicy = Ciphers,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    AllowTlsResume = false,
                    RemoteCertificateValidationCallback = Validate,
                });
            }
            else
            {
                secure.AuthenticateAsClient(new SslClientAuthenticationOptions
                {
                    // Nobody's name is compared, and none is sent.
                    TargetHost = "",
                    ClientCertificateContext = certificates.Context,
                    EnabledSslProtocols = SslProtocols.Tls13,
                    CipherSuitesPolicy = Ciphers,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                    AllowTlsResume = false,
                    RemoteCertificateValidationCallback = Validate,
                });
            }

            _stream = secure;
        }
        catch (AuthenticationException failure)
        {
            throw new LinkEndedException(
                LinkEndKind.Refused,
                refusal ?? $"it does not shake hands in TLS 1.3: {failure.Message}");
        }
        catch (IOException) when (deadline.Left <= TimeSpan.Zero)
        {
            throw TimeIsUp();
        }
    }

    /// <summary>From now on a read or a write that moves nothing for this long fails.</summary>
    public void SetSilenceDeadline(TimeSpan silence)
    {
        _stream.ReadTimeout = Milliseconds(silence);
        _stream.WriteTimeout = Milliseconds(silence);
    }

    /// <summary>Fills <paramref name="destination"/> before the deadline, however slowly bytes
    /// trickle in.</summary>
    /// <exception cref="EndOfStreamException">The peer closed the connection.</exception>
    /// <exception cref="IOException">The connection failed, or time is up.</exception>
    public void ReadExactly(Span<byte> destination, Deadline deadline)
    {
        while (!destination.IsEmpty)
        {
            TimeSpan left = deadline.Left;
            if (left <= TimeSpan.Zero)
            {
                throw TimeIsUp();
            }

            _stream.ReadTimeout = Milliseconds(left);
            destination = destination[ReadSome(destination)..];
        }
    }

    /// <summary>Fills <paramref name="destination"/>; the silence deadline holds for each read,
    /// and <paramref name="most"/> for all of them once the first has given something.</summary>
    /// <exception cref="EndOfStreamException">The peer closed the connection.</exception>
    /// <exception cref="IOException">The connection failed, or time is up.</exception>
    public void ReadExactly(Span<byte> destination, TimeSpan most) =>
        ReadExactly(destination, most, withChecksum: false);

    /// <summary>As <see cref="ReadExactly(Span{byte}, TimeSpan)"/>, and takes the checksum of each
    /// part while it is in the cache.</summary>
    /// <returns>The CRC-32C of all of it.</returns>
    public uint ReadWithChecksum(Span<byte> destination, TimeSpan most) =>
        ReadExactly(destination, most, withChecksum: true);

    /// <summary>Sends all of it.</summary>
    /// <param name="bytes">What to send.</param>
    /// <param name="more">Whether more follows at once, so that some of this may wait for it.
    /// </param>
    /// <exception cref="IOException">The connection failed, or the peer takes nothing.</exception>
    public void Write(ReadOnlySpan<byte> bytes, bool more = false)
    {
        _stream.Write(bytes);
        if (!more)
        {
            _stream.Flush();
        }
    }

    /// <summary>Sends as much as the socket takes without waiting. A failure is nothing sent: the
    /// next <see cref="Write"/> tells it.</summary>
    /// <returns>Bytes that were sent.</returns>
    public int WriteAtOnce(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return (int)Math.Max(0, Send(_socket.SafeHandle, bytes, bytes.Length, AtOnce));
        }
        catch (ObjectDisposedException)
        {
            return 0;
        }
    }

    /// <summary>Reads and forgets until the peer closes: closing a socket with unread bytes resets
    /// the connection, and the peer might lose the last frame.</summary>
    public void Drain(Span<byte> scratch, Deadline deadline)
    {
        try
        {
            while (deadline.Left > TimeSpan.Zero)
            {
                _stream.ReadTimeout = Milliseconds(deadline.Left);
                ReadSome(scratch);
            }
        }
        catch (IOException)
        {
            // However the connection ends, it is over.
        }
    }

    /// <summary>Lets the peer read to the end and then see it.</summary>
    public void EndSending() => Shutdown(SocketShutdown.Send);

    /// <summary>Ends whatever read or write is waiting.</summary>
    public void Abort() => Shutdown(SocketShutdown.Both);

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        Sending?.Dispose();
        Receiving?.Dispose();
    }

    private uint ReadExactly(Span<byte> destination, TimeSpan most, bool withChecksum)
    {
        uint checksum = 0;
        Deadline? deadline = null;
        while (!destination.IsEmpty)
        {
            int read = ReadSome(destination);
            if (withChecksum)
            {
                checksum = Crc32C.Append(checksum, destination[..read]);
            }

            destination = destination[read..];
            deadline ??= Deadline.After(most);
            if (!destination.IsEmpty && deadline.Value.Left <= TimeSpan.Zero)
            {
                throw TimeIsUp();
            }
        }

        return checksum;
    }

    private static IOException TimeIsUp() =>
        new("time is up", new SocketException((int)SocketError.TimedOut));

    private static int Milliseconds(TimeSpan span) =>
        (int)Math.Clamp(Math.Ceiling(span.TotalMilliseconds), 1, int.MaxValue);

    private int ReadSome(Span<byte> destination)
    {
        int read = _stream.Read(destination);
        return read > 0
            ? read
            : throw new EndOfStreamException("the peer closed the connection");
    }

    [LibraryImport("libc", EntryPoint = "send")]
    private static partial nint Send(
        SafeSocketHandle socket, ReadOnlySpan<byte> bytes, nint length, int flags);

    private void Shutdown(SocketShutdown how)
    {
        try
        {
            _socket.Shutdown(how);
        }
        catch (SocketException)
        {
            // The connection is gone already: what waits on it has been woken.
        }
        catch (ObjectDisposedException)
        {
            // The link has ended meanwhile.
        }
    }
}
