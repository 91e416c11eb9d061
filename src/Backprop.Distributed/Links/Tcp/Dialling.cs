using System.Net;
using System.Net.Sockets;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>Makes a connection and shakes hands; tries again a few times, ever more slowly.
/// </summary>
internal sealed class Dialling(
    TcpTransport transport, LinkAddress address, string node, CancellationToken cancellation)
    : IDisposable
{
    private readonly LinkOptions _options = transport.Options;
    private Socket? _socket;

    /// <summary>Connects; the transport's windows are reserved then.</summary>
    /// <exception cref="LinkEndedException">The peer cannot be reached, or either end refuses.
    /// </exception>
    public (LinkConnection Connection, LinkIdentity Peer, LinkTerms Terms) Connect()
    {
        if (transport.ReserveWindows() is { } full)
        {
            throw NotOpened(full);
        }

        bool opened = false;
        try
        {
            using CancellationTokenRegistration registration =
                cancellation.Register(() => Volatile.Read(ref _socket)?.Dispose());
            var result = TryRepeatedly();
            opened = true;
            return result;
        }
        finally
        {
            if (!opened)
            {
                transport.ReleaseWindows();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket = null;

    private (LinkConnection Connection, LinkIdentity Peer, LinkTerms Terms) TryRepeatedly()
    {
        if (TryLocally() is { } local)
        {
            return local;
        }

        TimeSpan backoff = _options.DialBackoff;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return ShakeHands(ConnectSocket());
            }
            catch (Exception failure) when (failure is IOException or SocketException
                or ObjectDisposedException)
            {
                if (cancellation.IsCancellationRequested || attempt == _options.DialAttempts)
                {
                    throw NotOpened(
                        $"{address} cannot be reached, tried {attempt} times: {failure.Message}");
                }
            }

            if (cancellation.WaitHandle.WaitOne(backoff))
            {
                throw NotOpened($"dialling {address} was given up");
            }

            backoff *= 2;
        }
    }

    // Null: the peer has no socket on this machine, or it did not work. Then the network is next,
    // without a wait, and what fails there is what is told.
    private (LinkConnection Connection, LinkIdentity Peer, LinkTerms Terms)? TryLocally()
    {
        if (transport.Local is not { } local)
        {
            return null;
        }

        string path = local.PathOf(transport.Identity.Cluster, node);
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            return ConnectLocally(path) is { } socket ? ShakeHands(socket) : null;
        }
        catch (Exception failure) when (failure is IOException or SocketException
            or ObjectDisposedException)
        {
            return null;
        }
    }

    private Socket? ConnectLocally(string path)
    {
        Socket socket = LocalSockets.NewSocket();
        bool isKept = false;
        try
        {
            socket.SendTimeout = (int)_options.OpeningDeadline.TotalMilliseconds;
            Watch(socket);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            isKept = LocalSockets.RefusalOf(socket, LocalSockets.OwnUser) is null;
            return isKept ? socket : null;
        }
        finally
        {
            if (!isKept)
            {
                socket.Dispose();
            }
        }
    }

    // From now on the socket is closed when dialling is given up.
    private void Watch(Socket socket)
    {
        Volatile.Write(ref _socket, socket);
        if (cancellation.IsCancellationRequested)
        {
            throw NotOpened($"dialling {address} was given up");
        }
    }

    private (LinkConnection Connection, LinkIdentity Peer, LinkTerms Terms) ShakeHands(
        Socket socket)
    {
        var connection = new LinkConnection(socket, address.ToString());
        bool welcome = false;
        try
        {
            connection.SetSilenceDeadline(_options.OpeningDeadline);
            Deadline deadline = Deadline.After(_options.OpeningDeadline);
            if (transport.Certificates is { } certificates)
            {
                connection.Secure(certificates, isServer: false, deadline);
            }

            connection.Write(Hello.Encode(
                HelloKind.Dial, transport.Identity, LinkTerms.Of(_options)));
            (LinkIdentity peer, LinkTerms terms) =
                Hello.Read(connection, HelloKind.Welcome, deadline);
            if (transport.Identity.Refusal(peer) is { } refusal)
            {
                throw new LinkEndedException(LinkEndKind.Refused, refusal);
            }

            connection.ShareMemory(_options, terms, deadline);
            welcome = true;
            return (connection, peer, terms);
        }
        finally
        {
            if (!welcome)
            {
                connection.Dispose();
            }
        }
    }

    private Socket ConnectSocket()
    {
        SocketException? last = null;
        foreach (IPAddress host in TcpTransport.Resolve(address))
        {
            var socket = new Socket(host.AddressFamily, SocketType.Stream, ProtocolType.Tcp)
            {
                // The system bounds connecting by the timeout of sending.
                SendTimeout = (int)_options.OpeningDeadline.TotalMilliseconds,
            };
            try
            {
                Watch(socket);
                socket.Connect(host, address.Port);
                return socket;
            }
            catch (SocketException failure)
            {
                socket.Dispose();
                last = failure;
            }
        }

        throw last!;
    }

    private static LinkEndedException NotOpened(string reason) =>
        new(LinkEndKind.NotOpened, reason);
}
