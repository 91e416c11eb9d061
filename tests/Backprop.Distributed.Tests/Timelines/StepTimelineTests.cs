using System.Collections.Immutable;
using Backprop.Distributed.Timelines;

namespace Backprop.Distributed.Tests.Timelines;

/// <summary>What is kept of a node's last steps.</summary>
public sealed class StepTimelineTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private readonly StepTimeline _timeline = new(
    [
        new SpanRule(SpanKind.Compute, 0, 1), new SpanRule(SpanKind.Push, 1, 2),
    ]);

    [Fact]
    public void A_span_is_told_once_both_of_its_ends_are_known()
    {
        _timeline.Mark(7, 0, s_second);
        Assert.Empty(_timeline.Spans(s_second));

        _timeline.Mark(7, 1, 3 * s_second);

        Assert.Equal(
            [new TimelineSpan(7, SpanKind.Compute, -9 * s_second, -7 * s_second)],
            _timeline.Spans(10 * s_second).AsEnumerable());
    }

    [Fact]
    public void The_last_steps_are_kept_in_order_and_older_ones_make_room()
    {
        const int Steps = StepTimeline.Steps + 10;
        for (long step = 0; step < Steps; step++)
        {
            _timeline.Mark(step, 0, step * s_second);
            _timeline.Mark(step, 1, (step + 0.5) * s_second);
        }

        ImmutableArray<TimelineSpan> spans = _timeline.Spans(TimeSpan.Zero);

        Assert.Equal(
            Enumerable.Range(Steps - StepTimeline.Steps, StepTimeline.Steps).Select(n => (long)n),
            spans.Select(span => span.Step));
        Assert.Null(_timeline.At(9, 0));
    }

    [Fact]
    public void Nothing_of_a_step_before_is_taken_for_one_of_the_step_in_its_place()
    {
        _timeline.Mark(3, 0, s_second);
        _timeline.Mark(3, 1, s_second);
        _timeline.Mark(3 + StepTimeline.Steps, 0, 2 * s_second);

        _timeline.Mark(3, 2, 2 * s_second);

        Assert.Empty(_timeline.Spans(TimeSpan.Zero));
        Assert.Equal(2 * s_second, _timeline.At(3 + StepTimeline.Steps, 0));
    }

    [Fact]
    public void A_worker_that_computes_twice_in_a_step_computed_from_the_first_to_the_last()
    {
        var worker = new WorkerTimeline();
        worker.Computed(4, s_second, 2 * s_second);
        worker.Computed(4, 5 * s_second, 6 * s_second);

        Assert.Equal(
            (TimeSpan.Zero, 2 * s_second),
            worker.Ended(4, pushed: 3 * s_second, now: 8 * s_second));

        Assert.Equal(
            [
                new TimelineSpan(4, SpanKind.Compute, s_second, 6 * s_second),
                new TimelineSpan(4, SpanKind.Push, 6 * s_second, 6 * s_second),
                new TimelineSpan(4, SpanKind.Wait, 6 * s_second, 8 * s_second),
            ],
            worker.Spans(TimeSpan.Zero).AsEnumerable());
    }

    [Fact]
    public void A_worker_that_computed_nothing_in_a_step_has_nothing_to_show_of_it()
    {
        var worker = new WorkerTimeline();

        Assert.Null(worker.Ended(-1, null, s_second));
        Assert.Null(worker.Ended(0, null, s_second));

        Assert.Empty(worker.Spans(TimeSpan.Zero));
    }

    [Fact]
    public void Marking_takes_no_memory()
    {
        var worker = new WorkerTimeline();
        MarkAll(0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        MarkAll(1);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void MarkAll(long from)
        {
            for (long step = from; step < from + 200; step++)
            {
                worker.Computed(step, s_second, s_second);
                worker.Ended(step, s_second, s_second);
            }
        }
    }
}
