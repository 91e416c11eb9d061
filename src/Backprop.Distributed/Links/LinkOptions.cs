namespace Backprop.Distributed.Links;

/// <summary>Limits and times of a node's links. The defaults suit a cluster in one building.
/// </summary>
public sealed record LinkOptions
{
    /// <summary>1 MiB buffers that a link receives into, and so pieces that its peer may have under
    /// way to it.</summary>
    public int BulkWindow { get; init; } = 8;

    /// <summary>64 KiB buffers that a link receives into.</summary>
    public int SmallWindow { get; init; } = 16;

    /// <summary>1 MiB buffers of the whole node: a link is refused when its window is not free.
    /// They are allocated when first needed. With every peer there are two links, one that each of
    /// them dials: by default there is room for 256 peers.</summary>
    public int BulkBuffers { get; init; } = 4_096;

    /// <summary>64 KiB buffers of the whole node.</summary>
    public int SmallBuffers { get; init; } = 8_192;

    /// <summary>Pieces that wait to be sent on a link; no more are taken.</summary>
    public int BulkQueue { get; init; } = 1024;

    /// <summary>Small frames that wait to be sent on a link.</summary>
    public int SmallQueue { get; init; } = 64;

    /// <summary>Accepted links at a time, those still in their handshake included.</summary>
    public int MaxAccepted { get; init; } = 512;

    /// <summary>Accepted links at a time from one node.</summary>
    public int MaxAcceptedPerNode { get; init; } = 8;

    /// <summary>Within this a connection is made, and within it again the handshake.</summary>
    public TimeSpan OpeningDeadline { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Connections tried before dialling fails.</summary>
    public int DialAttempts { get; init; } = 3;

    /// <summary>The wait after the first failed attempt; it doubles with each.</summary>
    public TimeSpan DialBackoff { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>A link whose peer sends nothing, or takes nothing, for this long is closed. The
    /// peer learns of it and sends a heartbeat after a third of it.</summary>
    public TimeSpan SilenceDeadline { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>A link is closed when a frame waits this long for the peer's credit, or is this
    /// long under way.</summary>
    public TimeSpan FrameDeadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>What a link may take to say goodbye.</summary>
    public TimeSpan ClosingDeadline { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Whether pieces between processes of one user on one machine go through memory that
    /// both have, where that can be had. It is set here for tests and measurements: nothing is
    /// gained without.</summary>
    public bool SharesMemory { get; init; } = true;

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">One makes no sense.</exception>
    public void Validate()
    {
        Within(BulkWindow, 1, ushort.MaxValue, nameof(BulkWindow));
        Within(SmallWindow, 1, ushort.MaxValue, nameof(SmallWindow));
        Within(BulkBuffers, BulkWindow, 1 << 20, nameof(BulkBuffers));
        Within(SmallBuffers, SmallWindow, 1 << 20, nameof(SmallBuffers));
        Within(BulkQueue, 1, 1 << 20, nameof(BulkQueue));
        Within(SmallQueue, 1, 1 << 20, nameof(SmallQueue));
        Within(MaxAccepted, 1, 1 << 16, nameof(MaxAccepted));
        Within(MaxAcceptedPerNode, 1, MaxAccepted, nameof(MaxAcceptedPerNode));
        Within(DialAttempts, 1, 100, nameof(DialAttempts));
        Within(OpeningDeadline, nameof(OpeningDeadline));
        Within(DialBackoff, nameof(DialBackoff));
        Within(SilenceDeadline, nameof(SilenceDeadline));
        Within(FrameDeadline, nameof(FrameDeadline));
        Within(ClosingDeadline, nameof(ClosingDeadline));
    }

    private static void Within(int value, int least, int most, string name)
    {
        if (value < least || value > most)
        {
            throw new ArgumentOutOfRangeException(
                name, value, $"{least} to {most} would be right");
        }
    }

    private static void Within(TimeSpan value, string name)
    {
        if (value < TimeSpan.FromMilliseconds(10) || value > TimeSpan.FromHours(1))
        {
            throw new ArgumentOutOfRangeException(
                name, value, "10 milliseconds to an hour would be right");
        }
    }
}
