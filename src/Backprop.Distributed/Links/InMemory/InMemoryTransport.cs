namespace Backprop.Distributed.Links.InMemory;

/// <summary>
/// A node's links to other nodes of the same process: pieces are handed over where they lie, so a
/// sender's buffer is free once the receiver has disposed the arrival.
/// </summary>
public sealed class InMemoryTransport : ITensorTransport
{
    private readonly LinkParts _parts = new();

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
    public ITensorListener Listen(LinkAddress address, ILinkAcceptor acceptor) =>
        _parts.Add(() => new InMemoryListening(this, address, acceptor));

    /// <inheritdoc/>
    public ITensorLink Dial(
        LinkAddress address, string node, ILinkOwner owner, IFrameGuard guard)
    {
        var link = new InMemoryLink(this, owner, guard);
        Start(link, () => link.Dial(address));
        return link;
    }

    /// <summary>Closes the listeners and the links, and returns when their threads have ended.
    /// </summary>
    public void Dispose()
    {
        _parts.Dispose();
        SmallPool.Dispose();
    }

    /// <summary>Starts a link's thread and takes note of the link.</summary>
    /// <exception cref="ObjectDisposedException">The transport was disposed.</exception>
    internal void Start(InMemoryLink link, ThreadStart run) => _parts.Add(() =>
    {
        link.Start(run);
        return link;
    });

    /// <summary>A part has ended.</summary>
    internal void Forget(IDisposable part) => _parts.Forget(part);
}
