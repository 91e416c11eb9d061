namespace Backprop.Distributed.Links.InMemory;

/// <summary>Accepts the links of nodes of the same process.</summary>
internal sealed class InMemoryListening : ITensorListener
{
    private readonly InMemoryTransport _transport;
    private readonly ILinkAcceptor _acceptor;

    public InMemoryListening(
        InMemoryTransport transport, LinkAddress address, ILinkAcceptor acceptor)
    {
        _transport = transport;
        _acceptor = acceptor;
        Address = transport.Network.Add(address, this);
    }

    /// <inheritdoc/>
    public LinkAddress Address { get; }

    /// <summary>Makes and starts the other end of a link that another node dials.</summary>
    /// <exception cref="LinkEndedException">Either node refuses.</exception>
    public void Accept(InMemoryLink dialled, LinkIdentity peer)
    {
        LinkIdentity identity = _transport.Identity;
        LinkAdmission admission = identity.Refusal(peer) is { } mismatch
            ? LinkAdmission.Refuse(mismatch)
            : _acceptor.Admit(peer);
        if (admission.Refusal is { } refusal)
        {
            _acceptor.OnRefused(peer.Node, refusal);
            throw new LinkEndedException(
                LinkEndKind.NotOpened, "the peer refused: " + refusal);
        }

        var accepted = new InMemoryLink(_transport, admission.Owner!, admission.Guard!);
        bool started = false;
        try
        {
            accepted.Join(dialled, peer);
            dialled.Join(accepted, identity);
            _transport.Start(accepted, accepted.Run);
            started = true;
        }
        catch (ObjectDisposedException)
        {
            throw new LinkEndedException(LinkEndKind.NotOpened, $"node {identity.Node} stops");
        }
        finally
        {
            if (!started)
            {
                accepted.Abandon();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _transport.Network.Remove(Address);
        _transport.Forget(this);
    }
}
