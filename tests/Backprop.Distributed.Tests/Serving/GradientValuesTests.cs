using System.Collections.Immutable;
using Backprop.Distributed.Serving;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Optimizers;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Serving;

/// <summary>However nodes arrive, a slice's gradient is the sum up the tree, to the bit.</summary>
public sealed class GradientValuesTests
{
    private const int MicroBatches = 5;

    private static readonly NodeId s_self = new("server-1");

    [Theory]
    [InlineData("0.0 0.1 0.2 0.3 0.4")]
    [InlineData("0.4 0.3 0.2 0.1 0.0")]
    [InlineData("0.2 0.0 0.4 0.3 0.1")]
    [InlineData("0.3 0.1 0.0 0.2 0.4")]
    [InlineData("1.1 0.4 1.0")]
    [InlineData("0.4 2.0")]
    [InlineData("0.0 0.1 2.0 0.4")]
    [InlineData("0.2 0.2 1.1 0.1 0.0 0.3 0.4")]
    [InlineData("0.3 1.0 1.1 2.0 0.4")]
    [InlineData("3.0")]
    public void Any_order_and_any_cover_folds_to_the_same_bits(string arrivals)
    {
        SliceState state = Open();
        using var values = new GradientValues(state.Plan, 0, long.MaxValue);
        Piece piece = state.Plan.Pieces[1];

        foreach (string arrival in arrivals.Split(' '))
        {
            string[] parts = arrival.Split('.');
            var node = new TreeNode(int.Parse(parts[0]), int.Parse(parts[1]));
            float[] pushed = Values(node, piece.Length);
            var header = new GradientHeader(
                TestRun.Id, state.Directive.Generation, 0, node, piece.Index);
            if (state.EnterGradient(header, piece.Length) == ArrivalVerdict.Entered)
            {
                values.Enter(state, piece.Index, node.FirstMicroBatch, pushed);
            }

            // The receive buffer is another frame's by then.
            pushed.AsSpan().Fill(float.NaN);
        }

        Assert.True(state.IsWhole(piece.Index));
        Assert.Equal(
            Values(GradientTree.Root(MicroBatches), piece.Length),
            values.Gradient.Span.Slice(piece.Offset, piece.Length).ToArray());
    }

    // Addition of these is not associative, so that another order would show.
    private static float[] Values(TreeNode node, int length)
    {
        if (node.Level == 0)
        {
            return
            [
                .. Enumerable.Range(0, length).Select(
                    i => MathF.Sqrt((i % 97) + 1) * ((node.Index * 1000) + 0.1f)),
            ];
        }

        var left = new TreeNode(node.Level - 1, node.Index * 2);
        float[] sum = Values(left, length);
        if (left.Sibling.FirstMicroBatch < MicroBatches)
        {
            float[] right = Values(left.Sibling, length);
            for (int i = 0; i < length; i++)
            {
                sum[i] += right[i];
            }
        }

        return sum;
    }

    private static SliceState Open()
    {
        Training.TrainingPlan plan = TestRun.Plan;
        var state = new SliceState(
            new ServerPlan(
                TestRun.Id, RunDimensions.Of(plan), plan.Network,
                plan.Rules, plan.Schedule),
            s_self,
            new ServerDirective
            {
                Run = TestRun.Id,
                Stamp = new DirectiveStamp(new Term(1), 1),
                Generation = new Generation(1),
                Servers = [s_self],
                Slice = 0,
                Origin = new SliceOrigin.FirstWeights(),
                Workers = ImmutableArray<NodeId>.Empty,
                Lease = new Lease(1, 0),
            },
            TimeSpan.Zero);
        Assert.Equal(SliceWork.Open, state.TakeWork());
        state.Opened(TimeSpan.Zero);
        return state;
    }
}
