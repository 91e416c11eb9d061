using System.Collections.Immutable;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Timelines;

/// <summary>How the gradient tree fills up is told so that each micro-batch counts once.</summary>
public sealed class ArrivalTimelineTests
{
    private static readonly NodeId s_a = new("a");
    private static readonly NodeId s_b = new("b");
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private readonly ArrivalTimeline _timeline = new(microBatches: 4, pieces: 2);
    private TimeSpan _now;

    [Fact]
    public void A_node_has_come_when_its_last_piece_has()
    {
        _timeline.Begin(5);
        Enter(s_a, 0, 2);
        Enter(s_b, 2, 2);
        Assert.Empty(Tree().Arrivals);

        Enter(s_b, 2, 2);

        Assert.Equal(
            [new NodeArrival(s_b, 2, 2, 3 * s_second)], Tree().Arrivals.AsEnumerable());
        Assert.Null(Tree().Whole);
        Assert.Equal(5, Tree().Step);
    }

    [Fact]
    public void A_step_that_is_whole_stays_while_the_next_one_comes()
    {
        _timeline.Begin(0);
        EnterAll(s_b, 2, 2);
        EnterAll(s_a, 0, 2);
        _timeline.EndStep(5 * s_second);
        _timeline.Begin(1);
        EnterAll(s_a, 0, 2);

        ImmutableArray<TreeArrivals> trees = _timeline.Trees(TimeSpan.Zero);

        Assert.Equal(2, trees.Length);
        Assert.Equal(
            [new(s_a, 0, 2, 4 * s_second), new NodeArrival(s_b, 2, 2, 2 * s_second)],
            trees[0].Arrivals.AsEnumerable());
        Assert.Equal(5 * s_second, trees[0].Whole);
        Assert.Equal((1L, 1), (trees[1].Step, trees[1].Arrivals.Length));
    }

    [Fact]
    public void The_last_steps_are_kept()
    {
        for (long step = 0; step < ArrivalTimeline.Steps + 3; step++)
        {
            _timeline.Begin(step);
            EnterAll(s_a, 0, 4);
            _timeline.EndStep(_now);
        }

        Assert.Equal(
            Enumerable.Range(3, ArrivalTimeline.Steps).Select(n => (long)n),
            _timeline.Trees(_now).Select(tree => tree.Step));
    }

    // Two workers computed the same: of one piece the two halves came first, of the other the
    // whole.
    [Fact]
    public void Work_that_was_done_twice_counts_once()
    {
        _timeline.Begin(0);
        Enter(s_a, 0, 2);
        Enter(s_a, 2, 2);
        Enter(s_b, 0, 4);
        _timeline.EndStep(9 * s_second);

        Assert.Equal(
            [new NodeArrival(s_b, 0, 4, 9 * s_second)], Tree().Arrivals.AsEnumerable());
    }

    [Fact]
    public void A_smaller_node_that_comes_after_a_larger_one_changes_nothing()
    {
        _timeline.Begin(0);
        Enter(s_a, 0, 4);
        Enter(s_b, 0, 1);
        Enter(s_a, 0, 4);
        _timeline.EndStep(9 * s_second);

        Assert.Equal(
            [new NodeArrival(s_a, 0, 4, 3 * s_second)], Tree().Arrivals.AsEnumerable());
    }

    [Fact]
    public void A_step_takes_no_memory()
    {
        Step(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (long step = 1; step < 40; step++)
        {
            Step(step);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Step(long step)
        {
            _timeline.Begin(step);
            EnterAll(s_a, 2, 2);
            EnterAll(s_b, 0, 2);
            _timeline.EndStep(_now);
        }
    }

    private TreeArrivals Tree() => _timeline.Trees(TimeSpan.Zero)[^1];

    private void EnterAll(NodeId worker, int first, int count)
    {
        Enter(worker, first, count);
        Enter(worker, first, count);
    }

    // Every piece comes a second after the one before.
    private void Enter(NodeId worker, int first, int count)
    {
        _now += s_second;
        if (_timeline.Enter(first, count, worker))
        {
            _timeline.Complete(first, _now);
        }
    }
}
