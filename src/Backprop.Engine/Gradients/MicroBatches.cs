using System.Numerics;

namespace Backprop.Engine.Gradients;

/// <summary>
/// How the rows of one global batch are cut into micro-batches: the unit of summation, assignment
/// and retry. The cut depends on the run alone, never on the cluster.
/// </summary>
/// <param name="GlobalRows">Rows of the global batch; the last of an epoch may have fewer.</param>
/// <param name="Count">Micro-batches, M; fixed for the run.</param>
public readonly record struct MicroBatches(int GlobalRows, int Count)
{
    /// <summary>The first row of micro-batch <paramref name="index"/>; that of
    /// <see cref="Count"/> is <see cref="GlobalRows"/>. Sizes differ by one row at the most; with
    /// fewer rows than micro-batches some are empty.</summary>
    public int Start(int index) => (int)((long)GlobalRows * index / Count);

    /// <summary>Micro-batches that have rows.</summary>
    public int NonEmptyCount => Math.Min(GlobalRows, Count);
}

/// <summary>A node of the gradient tree over M micro-batches: it holds the sum over micro-batches
/// [Index·2^Level, min((Index+1)·2^Level, M)).</summary>
/// <param name="Level">0 for a single micro-batch.</param>
/// <param name="Index">Position in its level, from the left.</param>
public readonly record struct TreeNode(int Level, int Index)
{
    /// <summary>The first micro-batch below this node.</summary>
    public int FirstMicroBatch => Index << Level;

    /// <summary>One past the last micro-batch below this node, in a tree over
    /// <paramref name="microBatches"/>.</summary>
    public int EndMicroBatch(int microBatches) =>
        (int)Math.Min(((long)Index + 1) << Level, microBatches);

    /// <summary>The node that this one is folded into.</summary>
    public TreeNode Parent => new(Level + 1, Index >> 1);

    /// <summary>The node that this one is folded with; where it lies past the right edge of the
    /// tree, the parent equals this node.</summary>
    public TreeNode Sibling => new(Level, Index ^ 1);

    // What a record prints of itself would print its parent, and so on for ever.
    /// <inheritdoc/>
    public override string ToString() => $"node {Index} of level {Level}";
}

/// <summary>
/// The fixed binary tree that every sum over micro-batches goes up (rule 2): siblings are added
/// pairwise, level by level; a node without a right sibling passes up as it is. Adding in the order
/// of a binary counter gives the same sums, so a left-to-right walk needs one buffer a level.
/// </summary>
public static class GradientTree
{
    /// <summary>The most micro-batches a run may have.</summary>
    public const int MaxMicroBatches = 65_536;

    /// <summary>The node over all <paramref name="microBatches"/>.</summary>
    public static TreeNode Root(int microBatches)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(microBatches, 1);
        int level = 0;
        while (1L << level < microBatches)
        {
            level++;
        }

        return new TreeNode(level, 0);
    }

    /// <summary>The fewest nodes that hold exactly micro-batches [<paramref name="first"/>,
    /// <paramref name="end"/>) of <paramref name="microBatches"/>, left to right.</summary>
    public static IReadOnlyList<TreeNode> Cover(int first, int end, int microBatches)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, microBatches);
        var nodes = new List<TreeNode>();
        while (first < end)
        {
            var node = new TreeNode(0, first);
            while (node.Parent.FirstMicroBatch == first
                && node.Level < Root(microBatches).Level
                && node.Parent.EndMicroBatch(microBatches) <= end)
            {
                node = node.Parent;
            }

            nodes.Add(node);
            first = node.EndMicroBatch(microBatches);
        }

        return nodes;
    }

    /// <summary>Folds one value a micro-batch up the tree, in place; the sum ends in
    /// <c>values[0]</c>. Of none it is 0.</summary>
    public static T Fold<T>(Span<T> values)
        where T : struct, IAdditionOperators<T, T, T>
    {
        for (int width = 1; width < values.Length; width *= 2)
        {
            for (int left = 0; left + width < values.Length; left += 2 * width)
            {
                values[left] += values[left + width];
            }
        }

        return values.IsEmpty ? default : values[0];
    }
}
