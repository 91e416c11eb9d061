using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Randomness;
using Backprop.Training.Digests;

namespace Backprop.Training.Protocol;

/// <summary>Which steps are verified: in those every worker's micro-batches are computed by another
/// worker as well. A function of seed and step, so that everybody knows without being told.
/// </summary>
/// <param name="Seed">The run's.</param>
/// <param name="Share">The share of steps, and so of micro-batches; 0: none.</param>
public readonly record struct VerificationRule(ulong Seed, double Share)
{
    /// <summary>Nothing is verified.</summary>
    public static VerificationRule None => default;

    /// <summary>Whether a step is verified.</summary>
    public bool Includes(long step) => Share > 0
        && new RandomStream(Seed, RandomPurpose.Verification, time: (ulong)step).Uniform(0, 0)
            < Share;
}

/// <summary>Micro-batches of a step to compute once more, for a third vote.</summary>
/// <param name="Step">The step.</param>
/// <param name="Range">Those of one tree node.</param>
public readonly record struct Recheck(long Step, MicroBatchRange Range);

/// <summary>The digest of a tree node's gradient and loss, as a worker pushed it: what arrived at
/// one server, piece by piece.</summary>
/// <param name="Worker">Who has pushed it.</param>
/// <param name="Range">The node's micro-batches.</param>
/// <param name="Digest">Of the slice's pieces; at the first server of the loss as well.</param>
public readonly record struct PushedNode(
    NodeId Worker, MicroBatchRange Range, VersionDigest Digest);

/// <summary>From a parameter server to its run's coordinator, after a step that is verified: what
/// was pushed. It may be lost: then the step is not verified.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Server">Whose slice it is.</param>
/// <param name="Slice">The slice.</param>
/// <param name="Step">The step.</param>
/// <param name="Nodes">The nodes that one worker has pushed whole.</param>
public sealed record PushReport(
    RunId Run, Generation Generation, NodeId Server, int Slice, long Step,
    ImmutableArray<PushedNode> Nodes);

/// <summary>What a tree node comes to when it is computed once more.</summary>
/// <param name="Range">The node's micro-batches.</param>
/// <param name="Whole">The digest of the whole gradient and the loss, however slices are cut.
/// </param>
/// <param name="Slices">What each server should have got, as in <see cref="PushedNode"/>.</param>
public sealed record CheckedNode(
    MicroBatchRange Range, VersionDigest Whole, ImmutableArray<VersionDigest> Slices);

/// <summary>From a worker to its run's coordinator: micro-batches of another worker, computed once
/// more. It may be lost: then the step is not verified.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Worker">Who has computed them.</param>
/// <param name="Step">The step.</param>
/// <param name="Nodes">The nodes of their cover.</param>
public sealed record CheckReport(
    RunId Run, Generation Generation, NodeId Worker, long Step,
    ImmutableArray<CheckedNode> Nodes);

/// <summary>The digests of tree nodes.</summary>
public static class NodeDigests
{
    // No piece and no block has this number.
    private const int Loss = -1;

    /// <summary>The digest of one piece of a node's gradient.</summary>
    public static VersionDigest OfPiece(int piece, ReadOnlySpan<float> values) =>
        VersionDigest.OfBlock(piece, values);

    /// <summary>The digest of a node's loss.</summary>
    public static VersionDigest OfLoss(double lossSum) => VersionDigest.OfBlock(
        Loss, MemoryMarshal.Cast<double, float>(new ReadOnlySpan<double>(in lossSum)));

    /// <summary>What a node comes to.</summary>
    /// <param name="plan">How the vector is cut.</param>
    /// <param name="range">The node's micro-batches.</param>
    /// <param name="gradient">[layout.Length].</param>
    /// <param name="lossSum">The node's loss.</param>
    public static CheckedNode Of(
        SlicePlan plan, MicroBatchRange range, AlignedBuffer gradient, double lossSum)
    {
        VersionDigest loss = OfLoss(lossSum);
        var slices = new VersionDigest[plan.SliceCount];
        slices[0] = loss;
        foreach (Piece piece in plan.Pieces)
        {
            slices[piece.Slice] +=
                OfPiece(piece.Index, gradient.Span.Slice(piece.Offset, piece.Length));
        }

        return new CheckedNode(
            range, VersionDigest.Of(0, gradient.Span) + loss, [.. slices]);
    }

    /// <summary>The micro-batches of a node.</summary>
    public static MicroBatchRange RangeOf(TreeNode node, int microBatches) =>
        new(node.FirstMicroBatch, node.EndMicroBatch(microBatches));
}
