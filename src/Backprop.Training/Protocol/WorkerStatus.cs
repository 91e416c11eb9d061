using Backprop.Training.Metrics;

namespace Backprop.Training.Protocol;

/// <summary>How far a worker is with a run.</summary>
public abstract record WorkerPhase
{
    private WorkerPhase()
    {
    }

    /// <summary>Its data and memory are being opened.</summary>
    public sealed record Opening : WorkerPhase;

    /// <summary>It follows broadcasts, and its replica is not whole yet.</summary>
    public sealed record Observing : WorkerPhase;

    /// <summary>Its replica is whole: it can compute.</summary>
    public sealed record Whole : WorkerPhase;

    /// <summary>It cannot take part.</summary>
    /// <param name="Reason">Why, in words.</param>
    public sealed record Failed(string Reason) : WorkerPhase;

    /// <summary>The run is over here.</summary>
    public sealed record Closed : WorkerPhase;
}

/// <summary>An evaluation that is done.</summary>
/// <param name="Request">What was asked for.</param>
/// <param name="Part">The sums of its micro-batches.</param>
public sealed record EvaluationDone(EvaluationRequest Request, MetricsPart Part);

/// <summary>What a worker holds of a run. It is complete: it replaces every one before
/// it.</summary>
public sealed record WorkerStatus
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }

    /// <summary>Whose it is.</summary>
    public required NodeId Worker { get; init; }

    /// <summary>The generation that everything below is of.</summary>
    public required Generation Generation { get; init; }

    /// <summary>The last directive seen.</summary>
    public required DirectiveStamp Seen { get; init; }

    /// <summary>Counts the worker's statuses of the generation, from 1: a lower one is older.
    /// </summary>
    public required long Number { get; init; }

    /// <summary>How far it is.</summary>
    public required WorkerPhase Phase { get; init; }

    /// <summary>The replica's version when the status was written; it is not sent once a step.
    /// </summary>
    public required long Version { get; init; }

    /// <summary>The last evaluation; null: none.</summary>
    public EvaluationDone? Evaluation { get; init; }

    /// <summary>Seconds that a micro-batch takes, the median of the last steps; null: none was
    /// computed yet.</summary>
    public double? SecondsPerMicroBatch { get; init; }
}
