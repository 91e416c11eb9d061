using Backprop.Engine;

namespace Backprop.Distributed.Links;

/// <summary>
/// One end of a connection that carries tensors between two nodes, both ways at once. Its owner
/// hears of what arrives and of the link's end through <see cref="ILinkOwner"/>.
/// </summary>
/// <remarks>Safe for any thread; nothing waits but <see cref="IDisposable.Dispose"/>, which closes
/// the link and returns when its threads have ended (called by one of these, it only asks).
/// Delivery is not guaranteed: what was queued when a link ends is lost, which the training
/// protocol expects.</remarks>
public interface ITensorLink : IDisposable
{
    /// <summary>Who is at the other end; null until the link is open.</summary>
    LinkIdentity? Peer { get; }

    /// <summary>Queues a piece without copying it.</summary>
    /// <param name="header">Of a push or a broadcast.</param>
    /// <param name="buffer">Where the piece's elements are. They must stay as they are until
    /// <paramref name="completion"/> hears of this frame, which it does exactly once if the frame
    /// was queued, and never if it was not.</param>
    /// <param name="start">Where in the buffer the first of the elements is, in floats, however
    /// they are encoded.</param>
    /// <param name="completion">Told when the elements are no longer needed.</param>
    /// <exception cref="ArgumentException">The header is no header of such a frame, or the elements
    /// are not in the buffer.</exception>
    SendResult TrySend(
        in FrameHeader header, AlignedBuffer buffer, int start, ISendCompletion completion);

    /// <summary>Queues a small frame; its payload is copied.</summary>
    /// <param name="header">Of a frame of the small lane.</param>
    /// <param name="payload">As long as the header says, little-endian.</param>
    /// <exception cref="ArgumentException">The header is no header of such a frame.</exception>
    SendResult TrySend(in FrameHeader header, ReadOnlySpan<byte> payload);

    /// <summary>Begins to close the link: the frame under way is finished, the peer is told the
    /// reason, what is queued is not sent.</summary>
    void Close(string reason);
}

/// <summary>What became of a wish to send.</summary>
public enum SendResult
{
    /// <summary>It is queued.</summary>
    Queued,

    /// <summary>The queue is full: try again when a frame has been sent.</summary>
    QueueFull,

    /// <summary>The link has ended or is ending.</summary>
    Closed,
}

/// <summary>Hears when a queued piece's elements are no longer needed.</summary>
public interface ISendCompletion
{
    /// <summary>The elements may be overwritten. Called on a thread of a link, or in memory by
    /// whoever disposes the arrival, then perhaps after the link's end; quick, without waiting.
    /// Must not throw.</summary>
    /// <param name="header">The frame's.</param>
    /// <param name="sent">Whether it left; false when the link ended before.</param>
    void OnReleased(in FrameHeader header, bool sent);
}

/// <summary>
/// Hears of a link. Every method is called on a thread of the link and must be quick and not wait:
/// an actor's owner tells it a message. What <see cref="OnOpened"/> and <see cref="OnArrival"/>
/// throw ends the link.
/// </summary>
public interface ILinkOwner
{
    /// <summary>The link is open; called once, before any arrival.</summary>
    void OnOpened(ITensorLink link);

    /// <summary>A frame that the guard accepted has arrived whole and intact.</summary>
    /// <param name="link">Where.</param>
    /// <param name="arrival">The owner's until it disposes it, which makes room for the next; the
    /// window bounds how many it can have.</param>
    void OnArrival(ITensorLink link, Arrival arrival);

    /// <summary>The link has ended, or never opened; called exactly once and last. Arrivals not yet
    /// disposed stay readable. Must not throw.</summary>
    void OnEnded(ITensorLink link, LinkEnd end);
}
