using Backprop.Engine.Gradients;

namespace Backprop.Training.Protocol;

/// <summary>Adds the values of one held node to those of another.</summary>
/// <param name="Kept">First micro-batch of the left node, which becomes the sum.</param>
/// <param name="Released">First micro-batch of the right node, whose buffer is free afterwards.
/// </param>
public readonly record struct Fold(int Kept, int Released);

/// <summary>
/// Which nodes of the gradient tree one piece of one step has: the rule that each micro-batch is
/// counted exactly once, however often and in whatever cover it arrives.
/// </summary>
/// <remarks>
/// The ledger holds no values. Held nodes never overlap, so a node is known by its first
/// micro-batch; whoever keeps the values keeps them by that, and does as the ledger says: let go of
/// what is superseded, keep what is entered, then add while there is a fold.
/// </remarks>
public sealed class TreeLedger
{
    private readonly int _microBatches;
    private readonly TreeNode _root;
    private readonly List<TreeNode> _held = [];

    /// <summary>An empty ledger for a tree over <paramref name="microBatches"/>.</summary>
    public TreeLedger(int microBatches)
    {
        _microBatches = microBatches;
        _root = GradientTree.Root(microBatches);
    }

    /// <summary>The nodes held, in no order.</summary>
    public IReadOnlyList<TreeNode> Held => _held;

    /// <summary>Whether every micro-batch is counted, in one sum.</summary>
    public bool IsWhole => _held.Count == 1 && Covers(_held[0], _root);

    /// <summary>Forgets everything, for the next step.</summary>
    public void Clear() => _held.Clear();

    /// <summary>Whether the tree over these micro-batches has such a node: to be asked of every
    /// node that arrives from outside, before it is entered.</summary>
    public bool IsInTree(TreeNode node) =>
        node.Level >= 0 && node.Level <= _root.Level && node.Index >= 0
        && (long)node.Index << node.Level < _microBatches;

    /// <summary>Enters a node, unless it is counted already, itself or within one above it.
    /// </summary>
    /// <param name="node">The node that has arrived.</param>
    /// <param name="superseded">Gets the first micro-batch of each held node below it, whose values
    /// are to be let go.</param>
    /// <returns>False: its values are to be dropped.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The tree has no such node.</exception>
    public bool TryEnter(TreeNode node, ICollection<int> superseded)
    {
        if (!IsInTree(node))
        {
            throw new ArgumentOutOfRangeException(
                nameof(node), node, $"no node of a tree over {_microBatches} micro-batches");
        }

        foreach (TreeNode held in _held)
        {
            if (Covers(held, node))
            {
                return false;
            }
        }

        for (int i = _held.Count - 1; i >= 0; i--)
        {
            if (Covers(node, _held[i]))
            {
                superseded.Add(_held[i].FirstMicroBatch);
                _held.RemoveAt(i);
            }
        }

        _held.Add(Raise(node));
        return true;
    }

    /// <summary>The next two siblings to add, if both of any are held.</summary>
    public bool TryFold(out Fold fold)
    {
        for (int i = 0; i < _held.Count; i++)
        {
            TreeNode left = _held[i];
            int sibling = (left.Index & 1) == 0 ? _held.IndexOf(left.Sibling) : -1;
            if (sibling >= 0)
            {
                fold = new Fold(left.FirstMicroBatch, left.Sibling.FirstMicroBatch);
                _held[i] = Raise(left.Parent);
                _held.RemoveAt(sibling);
                return true;
            }
        }

        fold = default;
        return false;
    }

    /// <summary>The micro-batches that no held node counts, as the fewest ranges.</summary>
    public IReadOnlyList<MicroBatchRange> Missing()
    {
        var missing = new List<MicroBatchRange>();
        int next = 0;
        foreach (TreeNode node in _held.OrderBy(node => node.FirstMicroBatch))
        {
            if (node.FirstMicroBatch > next)
            {
                missing.Add(new MicroBatchRange(next, node.FirstMicroBatch));
            }

            next = node.EndMicroBatch(_microBatches);
        }

        if (next < _microBatches)
        {
            missing.Add(new MicroBatchRange(next, _microBatches));
        }

        return missing;
    }

    private bool Covers(TreeNode outer, TreeNode inner) =>
        outer.FirstMicroBatch <= inner.FirstMicroBatch
        && inner.EndMicroBatch(_microBatches) <= outer.EndMicroBatch(_microBatches);

    // A node whose sibling lies past the right edge is its parent already.
    private TreeNode Raise(TreeNode node)
    {
        while (node.Level < _root.Level && node.Sibling.FirstMicroBatch >= _microBatches)
        {
            node = node.Parent;
        }

        return node;
    }
}
