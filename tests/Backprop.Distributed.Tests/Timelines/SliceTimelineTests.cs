using Backprop.Distributed.Timelines;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;
using Backprop.Training.Tests;

namespace Backprop.Distributed.Tests.Timelines;

/// <summary>What a slice keeps of its steps, by a clock that goes on by a second a look.</summary>
public sealed class SliceTimelineTests
{
    private static readonly NodeId s_a = new("a");
    private static readonly NodeId s_b = new("b");
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private readonly SliceTimeline _timeline =
        new(new ManualTime(s_second), microBatches: 3, pieces: 1);

    [Fact]
    public void A_step_is_gathered_applied_and_broadcast()
    {
        Gather(0);
        _timeline.BeginApply(0);
        _timeline.Applied(0, 6 * s_second);
        _timeline.EndBroadcast(isQueued: false);
        _timeline.EndBroadcast(isQueued: true);
        _timeline.EndBroadcast(isQueued: true);

        Assert.Equal(
            [
                new TimelineSpan(0, SpanKind.Gather, s_second, 4 * s_second),
                new TimelineSpan(0, SpanKind.Apply, 5 * s_second, 6 * s_second),
                new TimelineSpan(0, SpanKind.Broadcast, 6 * s_second, 6 * s_second),
            ],
            _timeline.Spans(TimeSpan.Zero).AsEnumerable());
        TreeArrivals tree = Assert.Single(_timeline.Trees(TimeSpan.Zero));
        Assert.Equal(
            [
                new NodeArrival(s_a, 0, 2, 2 * s_second),
                new NodeArrival(s_b, 2, 1, 3 * s_second),
            ],
            tree.Arrivals.AsEnumerable());
        Assert.Equal(4 * s_second, tree.Whole);
    }

    [Fact]
    public void A_broadcast_that_links_had_no_room_for_ends_where_the_next_one_begins()
    {
        _timeline.BeginApply(0);
        _timeline.Applied(0, 2 * s_second);
        _timeline.EndBroadcast(isQueued: false);
        _timeline.BeginApply(1);
        _timeline.Applied(1, 20 * s_second);

        Assert.Equal(
            new TimelineSpan(0, SpanKind.Broadcast, 2 * s_second, 20 * s_second),
            Assert.Single(
                _timeline.Spans(TimeSpan.Zero), span => span.Kind == SpanKind.Broadcast));
    }

    [Fact]
    public void The_step_that_is_being_gathered_shows_what_has_come()
    {
        Gather(0);

        _timeline.Entered(1, new TreeNode(0, 2), s_b);

        TreeArrivals tree = _timeline.Trees(TimeSpan.Zero)[^1];
        Assert.Equal(1, tree.Step);
        Assert.Null(tree.Whole);
        Assert.Equal(s_b, Assert.Single(tree.Arrivals).Worker);
    }

    // The last node lies at the right edge of the tree, and counts less than its level may.
    private void Gather(long step)
    {
        _timeline.Entered(step, new TreeNode(1, 0), s_a);
        _timeline.Entered(step, new TreeNode(1, 1), s_b);
        _timeline.Gathered(step);
    }
}
