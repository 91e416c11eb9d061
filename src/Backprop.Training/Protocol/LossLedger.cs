using Backprop.Engine.Gradients;

namespace Backprop.Training.Protocol;

/// <summary>The losses of a step's tree nodes, each micro-batch counted once, folded up the
/// gradient tree. Allocates nothing in steady state.</summary>
public sealed class LossLedger
{
    private readonly TreeLedger _ledger;
    private readonly double[] _sums;
    private readonly List<int> _superseded = [];

    /// <summary>An empty ledger for a tree over <paramref name="microBatches"/>.</summary>
    public LossLedger(int microBatches)
    {
        _ledger = new TreeLedger(microBatches);
        _sums = new double[microBatches];
    }

    /// <summary>Whether every micro-batch is counted.</summary>
    public bool IsWhole => _ledger.IsWhole;

    /// <summary>The step's loss, once it is whole.</summary>
    public double Total => IsWhole
        ? _sums[0]
        : throw new InvalidOperationException("the step's loss is not whole");

    /// <summary>Whether the tree has such a node.</summary>
    public bool IsInTree(TreeNode node) => _ledger.IsInTree(node);

    /// <summary>Enters a node and folds it as far up as siblings are there.</summary>
    /// <returns>False: it is counted already.</returns>
    public bool TryEnter(TreeNode node, double lossSum)
    {
        _superseded.Clear();
        if (!_ledger.TryEnter(node, _superseded))
        {
            return false;
        }

        _sums[node.FirstMicroBatch] = lossSum;
        while (_ledger.TryFold(out Fold fold))
        {
            _sums[fold.Kept] += _sums[fold.Released];
        }

        return true;
    }

    /// <summary>Forgets everything, for the next step.</summary>
    public void Clear() => _ledger.Clear();

    /// <summary>The micro-batches that are not counted.</summary>
    public IReadOnlyList<MicroBatchRange> Missing() => _ledger.Missing();
}
