using System.Net;
using System.Net.Sockets;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>Makes a connection and shakes hands; tries again a few times, ever more slowly.
/// </summary>
internal sealed class Dialling(
    TcpTransport transport, LinkAddress address, CancellationToken cancellation) : IDisposable
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
        TimeSpan backoff = _options.DialBackoff;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                return Try();
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

    private (LinkConnection Connection, LinkIdentity Peer, LinkTerms Terms) Try()
    {
        var connection = new LinkConnection(ConnectSocket(), address.ToString());
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
            Volatile.Write(ref _socket, socket);
            try
            {
                if (cancellation.IsCancellationRequested)
                {
                    throw NotOpened($"dialling {address} was given up");
                }

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
