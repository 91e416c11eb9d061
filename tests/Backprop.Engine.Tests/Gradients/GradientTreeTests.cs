using Backprop.Engine.Gradients;

namespace Backprop.Engine.Tests.Gradients;

/// <summary>The tree that every sum goes up.</summary>
public sealed class GradientTreeTests
{
    public static TheoryData<int> Counts => [1, 2, 3, 4, 5, 7, 8, 13, 16, 31];

    [Theory]
    [MemberData(nameof(Counts))]
    public void Micro_batches_share_the_rows_without_gap_or_overlap(int count)
    {
        foreach (int rows in new[] { 0, 1, count - 1, count, count + 1, 1000 })
        {
            var cut = new MicroBatches(rows, count);
            int[] sizes =
                [.. Enumerable.Range(0, count).Select(m => cut.Start(m + 1) - cut.Start(m))];
            Assert.Equal(0, cut.Start(0));
            Assert.Equal(rows, cut.Start(count));
            Assert.InRange(sizes.Max() - sizes.Min(), 0, 1);
        }
    }

    [Fact]
    public void A_node_says_in_words_which_it_is() =>
        Assert.Equal("node 3 of level 1", new TreeNode(1, 3).ToString());

    [Fact]
    public void The_cut_of_many_rows_does_not_overflow() =>
        Assert.Equal(
            int.MaxValue,
            new MicroBatches(int.MaxValue, GradientTree.MaxMicroBatches)
                .Start(GradientTree.MaxMicroBatches));

    [Theory]
    [MemberData(nameof(Counts))]
    public void The_root_holds_every_micro_batch(int count)
    {
        TreeNode root = GradientTree.Root(count);
        Assert.Equal(0, root.FirstMicroBatch);
        Assert.Equal(count, root.EndMicroBatch(count));
        Assert.Equal([root], GradientTree.Cover(0, count, count));
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void A_cover_holds_its_range_in_order_and_no_two_siblings(int count)
    {
        for (int first = 0; first <= count; first++)
        {
            for (int end = first; end <= count; end++)
            {
                IReadOnlyList<TreeNode> cover = GradientTree.Cover(first, end, count);
                int next = first;
                foreach (TreeNode node in cover)
                {
                    Assert.Equal(next, node.FirstMicroBatch);
                    next = node.EndMicroBatch(count);
                    Assert.DoesNotContain(node.Sibling, cover);
                    Assert.Equal(node.Parent, node.Sibling.Parent);
                }

                Assert.Equal(end, next);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Counts))]
    public void Folding_a_cover_node_by_node_gives_the_bits_of_folding_all_at_once(int count)
    {
        double[] values = [.. Enumerable.Range(0, count).Select(i => 1 / (i + 0.3))];
        double whole = GradientTree.Fold(values.AsSpan().ToArray());
        for (int cut = 0; cut <= count; cut++)
        {
            var nodes = new Dictionary<TreeNode, double>();
            foreach ((int first, int end) in new[] { (0, cut), (cut, count) })
            {
                foreach (TreeNode node in GradientTree.Cover(first, end, count))
                {
                    nodes[node] = GradientTree.Fold(
                        values[node.FirstMicroBatch..node.EndMicroBatch(count)]);
                }
            }

            Assert.Equal(whole, FoldUp(nodes, GradientTree.Root(count), count));
        }
    }

    [Fact]
    public void A_fold_adds_pairs_and_not_one_after_the_other()
    {
        // 1 is lost when added to 2^53 alone, but two of them together are not.
        double large = 9007199254740992;
        Assert.Equal(large + 2, GradientTree.Fold([large, 0, 1, 1]));
        Assert.Equal(large, GradientTree.Fold([large, 1, 0, 0]));
        Assert.Equal(0, GradientTree.Fold<double>([]));
    }

    [Theory]
    [InlineData(-1, 2)]
    [InlineData(0, 5)]
    public void A_cover_of_micro_batches_that_do_not_exist_is_refused(int first, int end) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => GradientTree.Cover(first, end, 4));

    // What a parameter server does with the nodes that it was sent, in any order.
    private static double FoldUp(Dictionary<TreeNode, double> nodes, TreeNode node, int count)
    {
        if (nodes.TryGetValue(node, out double value))
        {
            return value;
        }

        var left = new TreeNode(node.Level - 1, 2 * node.Index);
        double sum = FoldUp(nodes, left, count);
        return left.Sibling.FirstMicroBatch < count
            ? sum + FoldUp(nodes, left.Sibling, count)
            : sum;
    }
}
