using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>Work is shared by speed, along the borders of the gradient tree where that is cheap.
/// </summary>
public sealed class AssignmentPlannerTests
{
    [Theory]
    [InlineData(16, 4, 4)]
    [InlineData(64, 8, 8)]
    [InlineData(8, 1, 1)]
    public void Even_workers_get_whole_subtrees(int microBatches, int workers, int nodes)
    {
        AssignmentPlan plan = AssignmentPlanner.Plan(Even(workers), microBatches);
        Assert.All(plan.Ranges, entry => Assert.Equal(microBatches / workers, entry.Range.Count));
        Assert.Equal(nodes, plan.PushedNodes);
    }

    [Theory]
    [InlineData(16, 3)]
    [InlineData(64, 5)]
    [InlineData(13, 8)]
    [InlineData(5, 8)]
    [InlineData(256, 7)]
    public void Every_micro_batch_has_one_worker_and_nobody_is_far_over_an_even_share(
        int microBatches, int workers)
    {
        AssignmentPlan plan = AssignmentPlanner.Plan(Even(workers), microBatches);
        int next = 0;
        foreach ((_, MicroBatchRange range) in plan.Ranges)
        {
            Assert.Equal(next, range.First);
            next = range.End;
        }

        Assert.Equal(microBatches, next);
        int most = plan.Ranges.Max(entry => entry.Range.Count);
        Assert.InRange(most, 1, (int)Math.Ceiling(1.15 * microBatches / workers) + 1);
        int nodes = plan.Ranges.Sum(entry =>
            GradientTree.Cover(entry.Range.First, entry.Range.End, microBatches).Count);
        Assert.Equal(nodes, plan.PushedNodes);
    }

    [Fact]
    public void A_worker_of_half_the_speed_gets_about_half_the_share()
    {
        AssignmentPlan plan = AssignmentPlanner.Plan(
            [new(new("a"), 10), new(new("b"), 10), new(new("slow"), 5)], 80);
        Assert.InRange(plan.Ranges[2].Range.Count, 14, 18);
        Assert.InRange(plan.Makespan, 3.2, 3.7);
    }

    [Theory]
    [InlineData(16, 3)]
    [InlineData(13, 8)]
    [InlineData(5, 8)]
    [InlineData(256, 7)]
    [InlineData(64, 64)]
    public void No_plan_is_below_the_least_makespan_and_the_best_ones_are_near_it(
        int microBatches, int workers)
    {
        WorkerSpeed[] speeds =
        [
            .. Even(workers).Select((worker, i) => worker with { Speed = 1 + (i % 3 * 0.25) }),
        ];
        double least = AssignmentPlanner.LeastMakespan(speeds, microBatches);
        double planned = AssignmentPlanner.Plan(speeds, microBatches).Makespan;
        Assert.InRange(planned, least, 1.25 * least);
        // A whole micro-batch is the least that anybody can be given.
        Assert.True(least >= microBatches / speeds.Sum(worker => worker.Speed));
        Assert.True(microBatches < workers || least * speeds.Max(worker => worker.Speed) >= 1);
    }

    [Fact]
    public void An_awkward_split_is_moved_to_borders_of_the_tree()
    {
        // Thirds of 64 are 21.3; exact thirds cut the tree into 13 nodes.
        AssignmentPlan plan = AssignmentPlanner.Plan(Even(3), 64);
        Assert.True(plan.PushedNodes <= 9, plan.Reason);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    public void A_speed_that_is_no_positive_number_is_refused(double speed) =>
        Assert.Throws<ArgumentException>(
            () => AssignmentPlanner.Plan([new(new("a"), speed)], 8));

    private static WorkerSpeed[] Even(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new WorkerSpeed(new NodeId($"w{i}"), 1))];
}
