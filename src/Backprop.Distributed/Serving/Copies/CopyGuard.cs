using Backprop.Distributed.Links;
using Backprop.Distributed.Persistence;
using Backprop.Engine.Networks;

namespace Backprop.Distributed.Serving.Copies;

/// <summary>Decides on links' threads which frames of copies are taken, before there is memory for
/// them: whole blocks of the version that is being fetched, offers, and requests.</summary>
/// <param name="cut">The run's, with best weights.</param>
internal sealed class CopyGuard(PieceCut cut) : IFrameGuard
{
    private long _wanted = -1;

    /// <summary>The version that is being fetched; −1: none.</summary>
    public long Wanted
    {
        get => Volatile.Read(ref _wanted);
        set => Volatile.Write(ref _wanted, value);
    }

    /// <inheritdoc/>
    public FrameVerdict Check(in FrameHeader header) => header.Type switch
    {
        FrameType.Copy => CheckCopy(header),
        FrameType.CopyOffer => header.Piece < header.Offset && header.Offset <= cut.BlockCount
            ? FrameVerdict.Accept
            : FrameVerdict.Refuse(
                $"an offer of blocks {header.Piece} to {header.Offset} of {cut.BlockCount}"),
        FrameType.CopyRequest => FrameVerdict.Accept,
        _ => FrameVerdict.Refuse($"a {header.Type} frame to copies"),
    };

    private FrameVerdict CheckCopy(in FrameHeader header)
    {
        int block = header.Offset / ParameterLayout.DefaultBlockLength;
        return header.Piece >= cut.Sections || block >= cut.BlockCount
            || header.Offset != cut.StartOf(block)
            || header.ElementCount != cut.LengthOf(block, block + 1) + 1
            ? FrameVerdict.Refuse(
                $"{header.ElementCount} elements at {header.Offset} of section {header.Piece} are"
                + " no block of a copy")
            : header.Step != Wanted ? FrameVerdict.Drop("nobody waits for this version's copy")
            : FrameVerdict.Accept;
    }
}
