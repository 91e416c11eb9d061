using System.Collections.Immutable;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Timelines;

/// <summary>What a slice did in the last steps of a generation, and when gradients came to it. It
/// reads the clock a few times a step, and once for every node of the gradient tree that comes. One
/// caller at a time.</summary>
/// <param name="time">The clock.</param>
/// <param name="microBatches">Of a global batch.</param>
/// <param name="pieces">Of the slice, at least 1.</param>
internal sealed class SliceTimeline(TimeProvider time, int microBatches, int pieces)
{
    private const int FirstGradient = 0;
    private const int GradientWhole = 1;
    private const int ApplyBegan = 2;
    private const int ApplyEnded = 3;
    private const int BroadcastQueued = 4;

    private readonly ArrivalTimeline _arrivals = new(microBatches, pieces);
    private readonly StepTimeline _steps = new(
    [
        new SpanRule(SpanKind.Gather, FirstGradient, GradientWhole),
        new SpanRule(SpanKind.Apply, ApplyBegan, ApplyEnded),
        new SpanRule(SpanKind.Broadcast, ApplyEnded, BroadcastQueued),
    ]);

    // The step whose new weights not every link has had room for; -1: none is.
    private long _broadcastStep = -1;

    private TimeSpan Now => time.GetElapsedTime(0);

    /// <summary>A piece of a node was entered.</summary>
    public void Entered(long step, TreeNode node, NodeId worker)
    {
        if (step != _arrivals.Step)
        {
            _arrivals.Begin(step);
            _steps.Mark(step, FirstGradient, Now);
        }

        int first = node.FirstMicroBatch;
        if (_arrivals.Enter(first, node.EndMicroBatch(microBatches) - first, worker))
        {
            _arrivals.Complete(first, Now);
        }
    }

    /// <summary>The gradient of a step is whole.</summary>
    public void Gathered(long step)
    {
        TimeSpan now = Now;
        _steps.Mark(step, GradientWhole, now);
        if (step == _arrivals.Step)
        {
            _arrivals.EndStep(now);
        }
    }

    /// <summary>The next version is about to be written.</summary>
    public void BeginApply(long step) => _steps.Mark(step, ApplyBegan, Now);

    /// <summary>The next version is written, and its last piece is about to be broadcast.</summary>
    public void Applied(long step, TimeSpan now)
    {
        // What has had no room until now never will have: newer weights take its place.
        EndBroadcast(now);
        _steps.Mark(step, ApplyEnded, now);
        _broadcastStep = step;
    }

    /// <summary>Looks whether a broadcast is over.</summary>
    /// <param name="isQueued">Whether every link has had room for it.</param>
    public void EndBroadcast(bool isQueued)
    {
        if (_broadcastStep >= 0 && isQueued)
        {
            EndBroadcast(Now);
        }
    }

    /// <summary>What it did.</summary>
    /// <param name="now">What times are told from.</param>
    public ImmutableArray<TimelineSpan> Spans(TimeSpan now) => _steps.Spans(now);

    /// <summary>When gradients came.</summary>
    /// <param name="now">What times are told from.</param>
    public ImmutableArray<TreeArrivals> Trees(TimeSpan now) => _arrivals.Trees(now);

    private void EndBroadcast(TimeSpan now)
    {
        if (_broadcastStep >= 0)
        {
            _steps.Mark(_broadcastStep, BroadcastQueued, now);
            _broadcastStep = -1;
        }
    }
}
