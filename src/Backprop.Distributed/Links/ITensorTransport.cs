namespace Backprop.Distributed.Links;

/// <summary>Makes a node's links: over sockets between processes, in memory within
/// one.</summary>
public interface ITensorTransport : IDisposable
{
    /// <summary>Begins to accept links.</summary>
    /// <exception cref="IOException">The address cannot be listened on.</exception>
    ITensorListener Listen(LinkAddress address, ILinkAcceptor acceptor);

    /// <summary>Begins to make a link; the owner hears whether it opens. What is sent before is
    /// queued.</summary>
    /// <param name="address">Where the peer listens.</param>
    /// <param name="node">The peer, by which its socket is found if it is on this machine.</param>
    /// <param name="owner">Hears of the link.</param>
    /// <param name="guard">Decides about the frames that come.</param>
    ITensorLink Dial(LinkAddress address, string node, ILinkOwner owner, IFrameGuard guard);
}

/// <summary>Accepts links until it is disposed; the links accepted go on.</summary>
public interface ITensorListener : IDisposable
{
    /// <summary>Where it listens, with the port that the system chose.</summary>
    LinkAddress Address { get; }
}

/// <summary>Decides who may link to this node. Called on threads of links; quick, without waiting.
/// </summary>
public interface ILinkAcceptor
{
    /// <summary>Decides about a node of the same cluster and version.</summary>
    LinkAdmission Admit(LinkIdentity peer);

    /// <summary>A connection came to nothing.</summary>
    /// <param name="remote">Where it came from.</param>
    /// <param name="reason">Why, in words; the other end was told the same if it listened.</param>
    void OnRefused(string remote, string reason);
}

/// <summary>Whether a node may link, and to whom here.</summary>
public sealed record LinkAdmission
{
    private LinkAdmission()
    {
    }

    /// <summary>Whose the link is; null where it is refused.</summary>
    public ILinkOwner? Owner { get; private init; }

    /// <summary>Who decides about its frames; null where it is refused.</summary>
    public IFrameGuard? Guard { get; private init; }

    /// <summary>Why it is refused; null where it is not.</summary>
    public string? Refusal { get; private init; }

    /// <summary>The link is <paramref name="owner"/>'s.</summary>
    public static LinkAdmission To(ILinkOwner owner, IFrameGuard guard) =>
        new() { Owner = owner, Guard = guard };

    /// <summary>No link, and why.</summary>
    public static LinkAdmission Refuse(string reason) => new() { Refusal = reason };
}
