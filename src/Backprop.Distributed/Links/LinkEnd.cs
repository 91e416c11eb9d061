namespace Backprop.Distributed.Links;

/// <summary>How a link ended.</summary>
/// <param name="Kind">Which end it was, or neither.</param>
/// <param name="Reason">Why, in words; the other end hears the same where it could be told.</param>
public sealed record LinkEnd(LinkEndKind Kind, string Reason);

/// <summary>How a link ended.</summary>
public enum LinkEndKind
{
    /// <summary>This end closed it.</summary>
    Closed,

    /// <summary>The peer closed it and said why.</summary>
    ClosedByPeer,

    /// <summary>This end refused what the peer sent, or the peer itself.</summary>
    Refused,

    /// <summary>The connection failed, or a deadline passed.</summary>
    Failed,

    /// <summary>It never opened: the peer could not be reached, or refused.</summary>
    NotOpened,
}
