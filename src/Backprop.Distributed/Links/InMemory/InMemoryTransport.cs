namespace Backprop.Distributed.Links.InMemory;

/// <summary>
/// A node's links to other nodes of the same process: pieces are handed over where they lie, so a
/// sender's buffer is free once the receiver has disposed the arrival.
/// </summary>
public sealed class InMemoryTransport : ITensorTransport
{
    private readonly Lock _gate = new();
    private readonly HashSet<IDisposable> _parts = [];
    private bool _disposed;

    /// <summary>The links of node <paramref name="identity"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An option makes no sense.</exception>
    public InMemoryTransport(
        LinkIdentity identity, LinkOptions options, InMemoryNetwork network)
    {
        options.Validate();
        Identity = identity;
        Options = options;
        Network = network;
        SmallPool = new ReceiveBufferPool(FrameHeader.MaxSmallBytes, options.SmallBuffers);
    }

    internal LinkIdentity Identity { get; }

    internal LinkOptions Options { get; }

    internal InMemoryNetwork Network { get; }

    internal ReceiveBufferPool SmallPool { get; }

    /// <inheritdoc/>
    public ITensorListener Listen(LinkAddress address, ILinkAcceptor acceptor)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            var listening = new InMemoryListening(this, address, acceptor);
            _parts.Add(listening);
            return listening;
        }
    }

    /// <inheritdoc/>
    public ITensorLink Dial(LinkAddress address, ILinkOwner owner, IFrameGuard guard)
    {
        var link = new InMemoryLink(this, owner, guard);
        Start(link, () => link.Dial(address));
        return link;
    }

    /// <summary>Closes the listeners and the links, and returns when their threads have ended.
    /// </summary>
    public void Dispose()
    {
        IDisposable[] parts;
        lock (_gate)
        {
            _disposed = true;
            parts = [.. _parts];
        }

        foreach (InMemoryLink link in parts.OfType<InMemoryLink>())
        {
            link.Close("the node stops");
        }

        foreach (IDisposable part in parts)
        {
            part.Dispose();
        }

        SmallPool.Dispose();
    }

    /// <summary>Starts a link's thread and takes note of the link.</summary>
    /// <exception cref="ObjectDisposedException">The transport was disposed.</exception>
    internal void Start(InMemoryLink link, ThreadStart run)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            _parts.Add(link);
            link.Start(run);
        }
    }

    /// <summary>A part has ended.</summary>
    internal void Forget(IDisposable part)
    {
        lock (_gate)
        {
            _parts.Remove(part);
        }
    }
}
