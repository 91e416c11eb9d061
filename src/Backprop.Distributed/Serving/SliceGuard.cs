using Backprop.Distributed.Links;
using Backprop.Engine.Gradients;
using Backprop.Engine.Optimizers;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Serving;

/// <summary>Decides on links' threads what frames a slice takes, before there is memory for them:
/// those of its generation that lie in it and are exactly as long as they must be.</summary>
internal sealed class SliceGuard(
    SlicePlan plan, int slice, Generation generation, int microBatches,
    TransportSpecification transport) : IFrameGuard
{
    private readonly TreeNode _root = GradientTree.Root(microBatches);
    private readonly int[] _sums = SumsOf(plan);
    private long _version;

    /// <summary>Sums of each slice.</summary>
    public ReadOnlySpan<int> Sums => _sums;

    /// <summary>The slice's version: what older steps push is of no use any more.</summary>
    public long Version
    {
        get => Volatile.Read(ref _version);
        set => Volatile.Write(ref _version, value);
    }

    /// <inheritdoc/>
    public FrameVerdict Check(in FrameHeader header)
    {
        if (header.Generation != generation.Value)
        {
            return FrameVerdict.Drop("the run is in another generation here");
        }

        return header.Type switch
        {
            FrameType.Push => CheckPush(header),
            FrameType.Loss => CheckLoss(header),
            FrameType.BlockSums => CheckSums(header),
            FrameType.RequestPieces => FrameVerdict.Accept,
            _ => FrameVerdict.Refuse($"a {header.Type} frame to a slice"),
        };
    }

    private FrameVerdict CheckPush(in FrameHeader header)
    {
        if (header.Piece < plan.FirstPiece(slice) || header.Piece >= plan.FirstPiece(slice + 1))
        {
            return FrameVerdict.Refuse($"a push of piece {header.Piece} to slice {slice}");
        }

        Piece piece = plan.Pieces[header.Piece];
        return header.Offset != piece.Offset || header.ElementCount != piece.Length
            ? FrameVerdict.Refuse(
                $"a push of {header.ElementCount} elements at {header.Offset}, where piece"
                + $" {piece.Index} has {piece.Length} at {piece.Offset}")
            : header.Encoding != transport.OfGradient(piece) ? FrameVerdict.Refuse(
                $"a push of piece {piece.Index} as {header.Encoding}, where the run has"
                + $" {transport.OfGradient(piece)}")
            : !IsInTree(header.Node) ? NotInTree(header)
            : header.Step < Version ? FrameVerdict.Drop("the step is over")
            : FrameVerdict.Accept;
    }

    private FrameVerdict CheckLoss(in FrameHeader header) =>
        slice != 0 ? FrameVerdict.Refuse($"a loss to slice {slice}; the first gathers them")
        : IsInTree(header.Node) ? FrameVerdict.Accept
        : NotInTree(header);

    private FrameVerdict CheckSums(in FrameHeader header)
    {
        if (header.Piece >= plan.SliceCount || header.Piece == slice)
        {
            return FrameVerdict.Refuse($"sums of slice {header.Piece} to slice {slice}");
        }

        int sums = _sums[header.Piece];
        return header.Offset < sums && header.Offset % SumsFrame.MaxSums == 0
            && header.PayloadBytes == sizeof(double) * SumsFrame.WordsOf(
                SumsFrame.CountOf(sums, header.Offset / SumsFrame.MaxSums))
            ? FrameVerdict.Accept
            : FrameVerdict.Refuse(
                $"{header.PayloadBytes} bytes of sums from {header.Offset} of slice"
                + $" {header.Piece}, which has {sums}");
    }

    private FrameVerdict NotInTree(in FrameHeader header) => FrameVerdict.Refuse(
        $"a tree over {microBatches} micro-batches has no node {header.Node.Index} of level"
        + $" {header.Node.Level}");

    private bool IsInTree(TreeNode node) =>
        node.Level <= _root.Level && (long)node.Index << node.Level < microBatches;

    private static int[] SumsOf(SlicePlan plan)
    {
        var pieces = new ParameterPieces(plan.Layout);
        return
        [
            .. Enumerable.Range(0, plan.SliceCount).Select(index =>
                pieces.FirstOfBlock(plan.FirstBlock(index + 1))
                - pieces.FirstOfBlock(plan.FirstBlock(index))),
        ];
    }
}
