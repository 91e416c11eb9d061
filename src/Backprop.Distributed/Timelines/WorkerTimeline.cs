using System.Collections.Immutable;

namespace Backprop.Distributed.Timelines;

/// <summary>What a worker did in the last steps of a generation. One caller at a time.</summary>
internal sealed class WorkerTimeline
{
    private const int ComputeBegan = 0;
    private const int ComputeEnded = 1;
    private const int PushEnded = 2;
    private const int WeightsWhole = 3;

    private readonly StepTimeline _steps = new(
    [
        new SpanRule(SpanKind.Compute, ComputeBegan, ComputeEnded),
        new SpanRule(SpanKind.Push, ComputeEnded, PushEnded),
        new SpanRule(SpanKind.Wait, PushEnded, WeightsWhole),
    ]);

    /// <summary>Micro-batches of a step were computed; others of it may have been before.</summary>
    public void Computed(long step, TimeSpan began, TimeSpan ended)
    {
        if (_steps.At(step, ComputeBegan) is null)
        {
            _steps.Mark(step, ComputeBegan, began);
        }

        _steps.Mark(step, ComputeEnded, ended);
    }

    /// <summary>The weights that a step has led to are whole.</summary>
    /// <param name="step">The step.</param>
    /// <param name="pushed">When the last of its gradients left; null: links still have some, that
    /// nobody needs any more.</param>
    /// <param name="now">The time.</param>
    /// <returns>From the end of computing until the last gradient had left, and until now; null: it
    /// computed nothing in the step.</returns>
    public (TimeSpan Push, TimeSpan Wait)? Ended(long step, TimeSpan? pushed, TimeSpan now)
    {
        // Before the first weights there is no step, and who computed nothing in one has nothing to
        // show of it.
        if (step < 0 || _steps.At(step, ComputeEnded) is not { } computed)
        {
            return null;
        }

        TimeSpan left = pushed ?? now;
        left = left < computed ? computed : left;
        _steps.Mark(step, PushEnded, left);
        _steps.Mark(step, WeightsWhole, now);
        return (left - computed, now - computed);
    }

    /// <summary>What it did.</summary>
    /// <param name="now">What times are told from.</param>
    public ImmutableArray<TimelineSpan> Spans(TimeSpan now) => _steps.Spans(now);
}
