using System.Collections.Immutable;
using Backprop.Engine.Gradients;
using Backprop.Training.Digests;

namespace Backprop.Training.Protocol;

/// <summary>What workers have pushed to one slice in a step that is verified. One caller at a time.
/// </summary>
/// <param name="plan">How the vector is cut.</param>
/// <param name="slice">The slice.</param>
/// <param name="microBatches">Micro-batches of a global batch.</param>
public sealed class PushDigests(SlicePlan plan, int slice, int microBatches)
{
    private readonly Dictionary<(NodeId Worker, TreeNode Node), (int Count, VersionDigest Sum)>
        _nodes = [];

    // The first server gets the loss as well.
    private int CountOfWhole =>
        plan.FirstPiece(slice + 1) - plan.FirstPiece(slice) + (slice == 0 ? 1 : 0);

    /// <summary>A piece was entered.</summary>
    public void EnterPiece(
        NodeId worker, TreeNode node, int piece, ReadOnlySpan<float> values) =>
        Enter(worker, node, NodeDigests.OfPiece(piece, values));

    /// <summary>A loss was entered.</summary>
    public void EnterLoss(NodeId worker, TreeNode node, double lossSum) =>
        Enter(worker, node, NodeDigests.OfLoss(lossSum));

    /// <summary>The nodes that one worker has pushed whole; from now on those of another step are
    /// entered.</summary>
    public ImmutableArray<PushedNode> Take()
    {
        ImmutableArray<PushedNode> whole =
        [
            .. from entry in _nodes
               where entry.Value.Count == CountOfWhole
               orderby entry.Key.Node.FirstMicroBatch
               select new PushedNode(
                   entry.Key.Worker, NodeDigests.RangeOf(entry.Key.Node, microBatches),
                   entry.Value.Sum),
        ];
        _nodes.Clear();
        return whole;
    }

    private void Enter(NodeId worker, TreeNode node, VersionDigest digest)
    {
        (int count, VersionDigest sum) = _nodes.GetValueOrDefault((worker, node));
        _nodes[(worker, node)] = (count + 1, sum + digest);
    }
}
