using System.Net;
using System.Net.Sockets;
using Backprop.Distributed.Security;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>A node's links over sockets: Unix sockets to the user's nodes on the same machine, TCP
/// to all others, and to those as well where Unix sockets do not work.</summary>
public sealed class TcpTransport : ITensorTransport
{
    private readonly LinkParts _parts = new();

    /// <summary>The links of node <paramref name="identity"/>.</summary>
    /// <param name="identity">The node.</param>
    /// <param name="options">Limits and times.</param>
    /// <param name="certificates">What it shows; null: links are without TLS.</param>
    /// <param name="local">Where nodes of this machine are found; null: everybody is dialled over
    /// TCP.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option makes no sense.</exception>
    /// <exception cref="PlatformNotSupportedException">The processor is big-endian: buffers are
    /// sent as they lie in memory.</exception>
    public TcpTransport(
        LinkIdentity identity, LinkOptions options, NodeCertificates? certificates = null,
        LocalSockets? local = null)
    {
        options.Validate();
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("tensor links need a little-endian processor");
        }

        Identity = identity;
        Options = options;
        Certificates = certificates;
        Local = local;
        BulkPool = new ReceiveBufferPool(FrameHeader.MaxPieceBytes, options.BulkBuffers);
        SmallPool = new ReceiveBufferPool(FrameHeader.MaxSmallBytes, options.SmallBuffers);
    }

    internal LinkIdentity Identity { get; }

    internal LinkOptions Options { get; }

    internal NodeCertificates? Certificates { get; }

    internal LocalSockets? Local { get; }

    internal ReceiveBufferPool BulkPool { get; }

    internal ReceiveBufferPool SmallPool { get; }

    /// <summary>Why no Unix socket is listened on, though there should be; null: one is, or none
    /// should be.</summary>
    public string? LocalRefusal { get; private set; }

    /// <inheritdoc/>
    public ITensorListener Listen(LinkAddress address, ILinkAcceptor acceptor)
    {
        IPAddress host = Resolve(address)[0];
        var socket = new Socket(host.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(host, address.Port));
            socket.Listen(Options.MaxAccepted);
        }
        catch (SocketException failure)
        {
            socket.Dispose();
            throw new IOException(
                $"tensor links cannot be accepted at {address}: {failure.Message}", failure);
        }

        int port = ((IPEndPoint)socket.LocalEndPoint!).Port;
        Socket? local = ListenLocally();
        var listener = new TcpListening(
            this, socket, local, address with { Port = port }, acceptor);
        return _parts.Add(() =>
        {
            listener.Start();
            return listener;
        });
    }

    /// <inheritdoc/>
    public ITensorLink Dial(
        LinkAddress address, string node, ILinkOwner owner, IFrameGuard guard)
    {
        var link = new TcpLink(this, owner, guard);
        return _parts.Add(() =>
        {
            link.Dial(address, node);
            return link;
        });
    }

    /// <summary>Closes the listeners and the links, and returns when their threads have ended.
    /// </summary>
    public void Dispose()
    {
        _parts.Dispose();
        BulkPool.Dispose();
        SmallPool.Dispose();
    }

    /// <summary>The addresses of a host.</summary>
    /// <exception cref="IOException">It has none.</exception>
    internal static IPAddress[] Resolve(LinkAddress address)
    {
        try
        {
            IPAddress[] hosts = Dns.GetHostAddresses(address.Host);
            return hosts.Length > 0
                ? hosts
                : throw new IOException($"host '{address.Host}' has no address");
        }
        catch (SocketException failure)
        {
            throw new IOException(
                $"host '{address.Host}' is not known: {failure.Message}", failure);
        }
    }

    /// <summary>Takes note of an accepted link, so that it ends with the transport.</summary>
    /// <exception cref="ObjectDisposedException">The transport was disposed.</exception>
    internal void Adopt(TcpLink link) => _parts.Add(() => link);

    /// <summary>A part has ended.</summary>
    internal void Forget(IDisposable part) => _parts.Forget(part);

    /// <summary>Reserves a link's windows.</summary>
    /// <returns>Why not, or null.</returns>
    internal string? ReserveWindows()
    {
        if (!BulkPool.TryReserve(Options.BulkWindow))
        {
            return $"node {Identity.Node} has no receive buffers left for another link";
        }

        if (!SmallPool.TryReserve(Options.SmallWindow))
        {
            BulkPool.Release(Options.BulkWindow);
            return $"node {Identity.Node} has no small receive buffers left for another link";
        }

        return null;
    }

    /// <summary>Gives up the windows of a link that did not open.</summary>
    internal void ReleaseWindows()
    {
        BulkPool.Release(Options.BulkWindow);
        SmallPool.Release(Options.SmallWindow);
    }

    private Socket? ListenLocally()
    {
        if (Local is null)
        {
            return null;
        }

        Socket socket = LocalSockets.NewSocket();
        try
        {
            socket.Bind(new UnixDomainSocketEndPoint(
                Local.PathOf(Identity.Cluster, Identity.Node)));
            socket.Listen(Options.MaxAccepted);
            return socket;
        }
        catch (SocketException failure)
        {
            socket.Dispose();
            LocalRefusal = failure.Message;
            return null;
        }
    }
}
