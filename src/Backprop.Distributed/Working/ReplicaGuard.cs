using Backprop.Distributed.Links;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Working;

/// <summary>Decides on links' threads what frames a replica takes, before there is memory for them:
/// pieces of its generation that are exactly as long as they must be.</summary>
internal sealed class ReplicaGuard(
    SlicePlan plan, RunDimensions dimensions, Generation generation) : IFrameGuard
{
    private readonly int _numbers = plan.PieceNumbers(dimensions);

    /// <inheritdoc/>
    public FrameVerdict Check(in FrameHeader header)
    {
        if (header.Generation != generation.Value)
        {
            return FrameVerdict.Drop("the run is in another generation here");
        }

        if (header.Piece >= _numbers)
        {
            return FrameVerdict.Refuse(
                $"a broadcast of piece {header.Piece}, where there are {_numbers}");
        }

        Piece piece = plan.PieceOf(header.Piece);
        return header.Offset != piece.Offset || header.ElementCount != piece.Length
            ? FrameVerdict.Refuse(
                $"a broadcast of {header.ElementCount} elements at {header.Offset}, where piece"
                + $" {piece.Index} has {piece.Length} at {piece.Offset}")
            : FrameVerdict.Accept;
    }
}
