namespace Backprop.Distributed.Links;

/// <summary>What a frame carries. The numbers are the wire's and never change.</summary>
public enum FrameType : byte
{
    /// <summary>A piece of a tree node's gradient, fp32 or bf16; a
    /// <see cref="FrameLane.Bulk"/> frame.</summary>
    Push = 1,

    /// <summary>A piece of a version of the weights, fp32; a <see cref="FrameLane.Bulk"/>
    /// frame.</summary>
    Broadcast = 2,

    /// <summary>The loss sum of a tree node: one fp64.</summary>
    Loss = 3,

    /// <summary>What was summed over consecutive pieces of blocks of a slice's gradient and
    /// weights, and the step's loss.</summary>
    BlockSums = 4,

    /// <summary>The pieces of a version that the sender lacks: their indices, 32 bits each.
    /// </summary>
    RequestPieces = 5,

    /// <summary>More frames that the receiver of this one may send.</summary>
    Credit = 6,

    /// <summary>Nothing but that the sender is alive.</summary>
    Heartbeat = 7,

    /// <summary>The last frame: why the sender closes the link, UTF-8.</summary>
    Close = 8,

    /// <summary>A block of a copy of a slice, fp32, and its digest; a
    /// <see cref="FrameLane.Bulk"/> frame.</summary>
    Copy = 9,

    /// <summary>The sender has a whole copy of these blocks.</summary>
    CopyOffer = 10,

    /// <summary>The blocks of copies that the sender lacks: their indices, 32 bits each.</summary>
    CopyRequest = 11,
}

/// <summary>What a frame needs before it may be sent: each lane has a queue, buffers and credits
/// of its own, so that little never waits for much.</summary>
public enum FrameLane
{
    /// <summary>The link's own frames: they need no credit and go before all others.</summary>
    Control,

    /// <summary>Losses, sums, offers and requests: at most
    /// <see cref="FrameHeader.MaxSmallBytes"/>, before bulk.</summary>
    Small,

    /// <summary>Pieces of gradients and weights, blocks of copies: at most
    /// <see cref="FrameHeader.MaxPieceBytes"/>.</summary>
    Bulk,
}
