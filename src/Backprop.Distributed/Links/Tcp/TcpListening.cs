using System.Net.Sockets;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>Accepts links. Each connection has a thread from the start, which shakes hands within
/// the deadline and then receives, so a slow peer keeps nobody else waiting.</summary>
internal sealed class TcpListening : ITensorListener
{
    // Enough not to spin where the process has no descriptors left.
    private static readonly TimeSpan AfterFailure = TimeSpan.FromMilliseconds(100);

    private const string ThisMachine = "a process of this machine";

    private readonly TcpTransport _transport;
    private readonly ILinkAcceptor _acceptor;
    private readonly List<(Socket Socket, Thread Thread)> _sockets = [];
    private readonly ManualResetEventSlim _stopping = new();
    private readonly Lock _gate = new();
    private readonly HashSet<Thread> _connections = [];
    private readonly HashSet<LinkConnection> _shakingHands = [];
    private readonly Dictionary<string, int> _byNode = new(StringComparer.Ordinal);

    public TcpListening(
        TcpTransport transport, Socket socket, Socket? local, LinkAddress address,
        ILinkAcceptor acceptor)
    {
        _transport = transport;
        _acceptor = acceptor;
        Address = address;
        Add(socket, $"links at {address}");
        if (local is not null)
        {
            Add(local, "links of this machine");
        }
    }

    /// <inheritdoc/>
    public LinkAddress Address { get; }

    /// <summary>Begins to accept.</summary>
    public void Start() => _sockets.ForEach(one => one.Thread.Start());

    /// <summary>Stops accepting and gives up handshakes; links that have opened go on.</summary>
    public void Dispose()
    {
        LinkConnection[] shakingHands;
        _stopping.Set();
        _sockets.ForEach(one => one.Socket.Dispose());
        _sockets.ForEach(one => one.Thread.Join());
        lock (_gate)
        {
            shakingHands = [.. _shakingHands];
        }

        foreach (LinkConnection connection in shakingHands)
        {
            connection.Abort();
        }

        _transport.Forget(this);
    }

    private void Add(Socket socket, string name) => _sockets.Add((
        socket, new Thread(() => Accept(socket)) { IsBackground = true, Name = name }));

    private void Accept(Socket listening)
    {
        while (!_stopping.IsSet)
        {
            try
            {
                Begin(listening.Accept());
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException failure)
            {
                if (!_stopping.IsSet)
                {
                    _acceptor.OnRefused("an unknown address", failure.Message);
                    _stopping.Wait(AfterFailure);
                }
            }
        }
    }

    private void Begin(Socket socket)
    {
        bool isLocal = socket.AddressFamily == AddressFamily.Unix;
        LinkConnection connection;
        try
        {
            // Whose process it is has nothing to do with what it sends: it is not even read.
            if (isLocal
                && LocalSockets.RefusalOf(socket, LocalSockets.OwnUser) is { } stranger)
            {
                socket.Dispose();
                _acceptor.OnRefused(ThisMachine, stranger);
                return;
            }

            connection = new LinkConnection(
                socket,
                isLocal ? ThisMachine : socket.RemoteEndPoint?.ToString() ?? "nowhere");
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            socket.Dispose();
            _acceptor.OnRefused("an unknown address", failure.Message);
            return;
        }

        var thread = new Thread(() => Run(connection))
        {
            IsBackground = true,
            Name = $"link from {connection.Remote}",
        };
        bool full;
        lock (_gate)
        {
            full = _connections.Count >= _transport.Options.MaxAccepted;
            if (!full)
            {
                _connections.Add(thread);
                _shakingHands.Add(connection);
            }
        }

        if (full)
        {
            string reason = $"there are {_transport.Options.MaxAccepted} links already";
            Refuse(connection, reason, Deadline.After(TimeSpan.Zero));
            return;
        }

        thread.Start();
    }

    private void Run(LinkConnection connection)
    {
        string? node = null;
        try
        {
            (TcpLink Link, LinkIdentity Peer, LinkTerms Terms)? opened =
                ShakeHands(connection, ref node);
            lock (_gate)
            {
                _shakingHands.Remove(connection);
            }

            if (opened is { } link)
            {
                link.Link.Run(connection, link.Peer, link.Terms);
            }
        }
        finally
        {
            lock (_gate)
            {
                _shakingHands.Remove(connection);
                _connections.Remove(Thread.CurrentThread);
                if (node is not null && --_byNode[node] == 0)
                {
                    _byNode.Remove(node);
                }
            }
        }
    }

    private (TcpLink Link, LinkIdentity Peer, LinkTerms Terms)? ShakeHands(
        LinkConnection connection, ref string? node)
    {
        Deadline deadline = Deadline.After(_transport.Options.OpeningDeadline);
        connection.SetSilenceDeadline(_transport.Options.OpeningDeadline);
        bool isSecure = _transport.Certificates is null;
        try
        {
            if (_transport.Certificates is { } certificates)
            {
                connection.Secure(certificates, isServer: true, deadline);
                isSecure = true;
            }

            (LinkIdentity peer, LinkTerms terms) =
                Hello.Read(connection, HelloKind.Dial, deadline);
            string? refusal = _transport.Identity.Refusal(peer) ?? Count(peer, ref node);
            LinkAdmission admission = refusal is null
                ? _acceptor.Admit(peer)
                : LinkAdmission.Refuse(refusal);
            refusal = admission.Refusal ?? _transport.ReserveWindows();
            if (refusal is not null)
            {
                throw new LinkEndedException(LinkEndKind.Refused, refusal);
            }

            return (Welcome(connection, admission, terms, deadline), peer, terms);
        }
        catch (Exception failure) when (!isSecure && failure is LinkEndedException or IOException)
        {
            // Who has not come in by TLS is told nothing more.
            connection.Dispose();
            _acceptor.OnRefused(connection.Remote, failure is LinkEndedException
                ? failure.Message
                : $"the handshake failed: {failure.Message}");
        }
        catch (LinkEndedException ended)
        {
            Refuse(connection, ended.End.Reason, deadline);
        }
        catch (IOException failure)
        {
            Refuse(connection, $"the handshake failed: {failure.Message}", deadline);
        }
        catch (ObjectDisposedException)
        {
            Refuse(connection, "the node stops", deadline);
        }

        return null;
    }

    private TcpLink Welcome(
        LinkConnection connection, LinkAdmission admission, LinkTerms terms, Deadline deadline)
    {
        var link = new TcpLink(
            _transport, admission.Owner!, admission.Guard!, Thread.CurrentThread);
        bool welcome = false;
        try
        {
            _transport.Adopt(link);
            connection.Write(Hello.Encode(
                HelloKind.Welcome, _transport.Identity, LinkTerms.Of(_transport.Options)));
            using CancellationTokenRegistration registration =
                link.Closing.Register(connection.Abort);
            connection.ShareMemory(_transport.Options, terms, deadline);
            welcome = true;
            return link;
        }
        finally
        {
            if (!welcome)
            {
                _transport.Forget(link);
                _transport.ReleaseWindows();
            }
        }
    }

    private string? Count(LinkIdentity peer, ref string? node)
    {
        lock (_gate)
        {
            int count = _byNode.GetValueOrDefault(peer.Node);
            if (count == _transport.Options.MaxAcceptedPerNode)
            {
                return $"node {peer.Node} has {count} links already";
            }

            _byNode[peer.Node] = count + 1;
            node = peer.Node;
            return null;
        }
    }

    private void Refuse(LinkConnection connection, string reason, Deadline deadline)
    {
        using (connection)
        {
            try
            {
                connection.Write(Hello.EncodeRefusal(reason));
                connection.EndSending();
                connection.Drain(stackalloc byte[1024], deadline);
            }
            catch (IOException)
            {
                // The peer has gone: there is nobody to tell.
            }
        }

        _acceptor.OnRefused(connection.Remote, reason);
    }
}
