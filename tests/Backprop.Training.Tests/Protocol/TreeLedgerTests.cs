using Backprop.Engine.Gradients;
using Backprop.Engine.Randomness;
using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>Each micro-batch is counted exactly once, and in the tree's own order, however its
/// gradient arrives.</summary>
public sealed class TreeLedgerTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(8)]
    [InlineData(13)]
    [InlineData(64)]
    public void Any_covers_in_any_order_fold_to_the_trees_sum(int microBatches)
    {
        for (uint trial = 0; trial < 200; trial++)
        {
            var random = new RandomStream(trial, RandomPurpose.Generation, (uint)microBatches);
            var ledger = new TreeLedger(microBatches);
            var values = new Dictionary<int, float>();
            foreach (TreeNode node in RandomArrivals(random, microBatches))
            {
                Receive(ledger, values, node, microBatches);
            }

            Assert.True(ledger.IsWhole);
            Assert.Equal([0], values.Keys);
            float expected = ValueOf(GradientTree.Root(microBatches), microBatches);
            Assert.Equal(
                BitConverter.SingleToInt32Bits(expected),
                BitConverter.SingleToInt32Bits(values[0]));
            Assert.Empty(ledger.Missing());
        }
    }

    [Fact]
    public void What_is_counted_is_dropped_itself_and_within_a_node_above_it()
    {
        var ledger = new TreeLedger(8);
        var superseded = new List<int>();
        Assert.True(ledger.TryEnter(new TreeNode(1, 1), superseded));
        Assert.False(ledger.TryEnter(new TreeNode(1, 1), superseded));
        Assert.False(ledger.TryEnter(new TreeNode(0, 2), superseded));
        Assert.Empty(superseded);
        Assert.True(ledger.TryEnter(new TreeNode(2, 0), superseded));
        Assert.Equal([2], superseded);
    }

    [Fact]
    public void It_says_which_micro_batches_are_missing()
    {
        var ledger = new TreeLedger(13);
        Assert.Equal([new MicroBatchRange(0, 13)], ledger.Missing());
        ledger.TryEnter(new TreeNode(1, 1), []);
        ledger.TryEnter(new TreeNode(0, 12), []);
        Assert.Equal([new MicroBatchRange(0, 2), new MicroBatchRange(4, 12)], ledger.Missing());
    }

    [Theory]
    [InlineData(0, 13)]
    [InlineData(0, -1)]
    [InlineData(5, 0)]
    [InlineData(-1, 0)]
    [InlineData(31, 1)]
    public void A_node_that_the_tree_lacks_is_refused(int level, int index)
    {
        var ledger = new TreeLedger(13);
        Assert.False(ledger.IsInTree(new TreeNode(level, index)));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => ledger.TryEnter(new TreeNode(level, index), []));
    }

    private static void Receive(
        TreeLedger ledger, Dictionary<int, float> values, TreeNode node, int microBatches)
    {
        var superseded = new List<int>();
        if (!ledger.TryEnter(node, superseded))
        {
            return;
        }

        superseded.ForEach(first => Assert.True(values.Remove(first)));
        values.Add(node.FirstMicroBatch, ValueOf(node, microBatches));
        while (ledger.TryFold(out Fold fold))
        {
            values[fold.Kept] += values[fold.Released];
            values.Remove(fold.Released);
        }
    }

    // Several covers of everything, by workers who disagree about their shares, shuffled.
    private static IEnumerable<TreeNode> RandomArrivals(RandomStream random, int microBatches)
    {
        var arrivals = new List<TreeNode>();
        for (ulong cover = 0; cover < 3; cover++)
        {
            int first = 0;
            for (ulong cut = 0; first < microBatches; cut++)
            {
                int count = 1 + (int)(random.Word(cover, cut) % (uint)microBatches);
                int end = Math.Min(microBatches, first + count);
                arrivals.AddRange(GradientTree.Cover(first, end, microBatches));
                first = end;
            }
        }

        return arrivals
            .Select((node, index) => (node, key: random.Word(1_000, (ulong)index)))
            .OrderBy(entry => entry.key)
            .Select(entry => entry.node);
    }

    // The sum that the tree defines, of values whose sum depends on the order.
    private static float ValueOf(TreeNode node, int microBatches)
    {
        if (node.Level == 0)
        {
            return 1f / (node.Index + 3) * (node.Index % 3 == 0 ? 1e6f : -1e-3f);
        }

        var left = new TreeNode(node.Level - 1, node.Index * 2);
        float sum = ValueOf(left, microBatches);
        return left.Sibling.FirstMicroBatch < microBatches
            ? sum + ValueOf(left.Sibling, microBatches)
            : sum;
    }
}
