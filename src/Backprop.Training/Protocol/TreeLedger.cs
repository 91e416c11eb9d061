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
/// what is superseded, keep what is entered, then add while there is a fold. Entering and folding
/// take as many operations as the tree has levels, however many nodes wait for their siblings: with
/// hundreds of workers most of them do.
/// </remarks>
public sealed class TreeLedger
{
    private const sbyte None = -1;

    private readonly int _microBatches;
    private readonly TreeNode _root;

    // [micro-batches]: the level of the held node that begins there, or None.
    private readonly sbyte[] _levels;

    // Nodes that may have a sibling to be added to; what has become of them is looked up.
    private readonly Stack<TreeNode> _unfolded = new();

    /// <summary>An empty ledger for a tree over <paramref name="microBatches"/>.</summary>
    public TreeLedger(int microBatches)
    {
        _microBatches = microBatches;
        _root = GradientTree.Root(microBatches);
        _levels = new sbyte[microBatches];
        Clear();
    }

    /// <summary>Whether every micro-batch is counted, in one sum.</summary>
    public bool IsWhole => _levels[0] == _root.Level;

    /// <summary>Forgets everything, for the next step.</summary>
    public void Clear()
    {
        Array.Fill(_levels, None);
        _unfolded.Clear();
    }

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

        TreeNode entered = Raise(node);
        for (TreeNode above = entered; above.Level <= _root.Level; above = above.Parent)
        {
            if (_levels[above.FirstMicroBatch] >= above.Level)
            {
                return false;
            }
        }

        int first = entered.FirstMicroBatch, end = entered.EndMicroBatch(_microBatches);
        for (int held = NextHeld(first); held < end; held = NextHeld(held))
        {
            superseded.Add(held);
            _levels[held] = None;
        }

        Hold(entered);
        return true;
    }

    /// <summary>The next two siblings to add, if both of any are held.</summary>
    public bool TryFold(out Fold fold)
    {
        while (_unfolded.TryPop(out TreeNode node))
        {
            if (node.Level < _root.Level && IsHeld(node) && IsHeld(node.Sibling))
            {
                int kept = node.Parent.FirstMicroBatch;
                int released = Math.Max(node.FirstMicroBatch, node.Sibling.FirstMicroBatch);
                fold = new Fold(kept, released);
                _levels[released] = None;
                Hold(Raise(node.Parent));
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
        for (int next = 0; next < _microBatches;)
        {
            int held = NextHeld(next);
            if (held > next)
            {
                missing.Add(new MicroBatchRange(next, held));
            }

            next = held == _microBatches
                ? held
                : new TreeNode(_levels[held], held >> _levels[held]).EndMicroBatch(_microBatches);
        }

        return missing;
    }

    private bool IsHeld(TreeNode node) => _levels[node.FirstMicroBatch] == node.Level;

    private void Hold(TreeNode node)
    {
        _levels[node.FirstMicroBatch] = (sbyte)node.Level;
        _unfolded.Push(node);
    }

    // The first micro-batch of the first held node that begins at this one or later; the number of
    // micro-batches: none does.
    private int NextHeld(int from)
    {
        int skipped = _levels.AsSpan(from).IndexOfAnyExcept(None);
        return skipped < 0 ? _microBatches : from + skipped;
    }

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
