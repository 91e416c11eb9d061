namespace Backprop.Distributed.Links;

/// <summary>Ends a link from within its threads.</summary>
internal sealed class LinkEndedException(LinkEndKind kind, string reason) : Exception(reason)
{
    /// <summary>How the link ends.</summary>
    public LinkEnd End { get; } = new(kind, reason);
}
