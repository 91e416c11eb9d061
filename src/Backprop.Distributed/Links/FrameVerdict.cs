namespace Backprop.Distributed.Links;

/// <summary>What becomes of a frame whose header has been read.</summary>
/// <param name="Kind">What becomes of it.</param>
/// <param name="Reason">Why it is not taken, in words; null where it is.</param>
public readonly record struct FrameVerdict(FrameVerdictKind Kind, string? Reason)
{
    /// <summary>Read the payload and hand it to the owner.</summary>
    public static FrameVerdict Accept => default;

    /// <summary>Pass over the payload and keep the link: an honest sender may not know yet that
    /// the frame is of no use, say since the generation has changed.</summary>
    public static FrameVerdict Drop(string reason) => new(FrameVerdictKind.Drop, reason);

    /// <summary>Close the link: no honest sender sends this.</summary>
    public static FrameVerdict Refuse(string reason) => new(FrameVerdictKind.Refuse, reason);
}

/// <summary>What becomes of a frame.</summary>
public enum FrameVerdictKind
{
    /// <summary>It is read and handed to the owner.</summary>
    Accept,

    /// <summary>Its payload is passed over; the link stays.</summary>
    Drop,

    /// <summary>The link is closed with the reason.</summary>
    Refuse,
}

/// <summary>Decides about a frame by its header alone, before memory is taken for its payload: is
/// it of a run, generation and piece that are known here, and exactly as long as that piece?
/// </summary>
public interface IFrameGuard
{
    /// <summary>Decides. Called on the link's receiving thread, for frames that are not the link's
    /// own; quick, without waiting, safe beside the owner's other threads.</summary>
    FrameVerdict Check(in FrameHeader header);
}
