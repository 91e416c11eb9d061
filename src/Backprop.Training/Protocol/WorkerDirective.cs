using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>Micro-batches of one step to compute as well, since they are late elsewhere. Once the
/// step is over it means nothing, so that nobody has to take it back.</summary>
/// <param name="Step">The step.</param>
/// <param name="Ranges">The micro-batches, disjoint and ascending.</param>
public sealed record Speculation(long Step, ImmutableArray<MicroBatchRange> Ranges);

/// <summary>What to evaluate.</summary>
/// <param name="Version">With these weights.</param>
/// <param name="Range">These evaluation micro-batches of the validation part.</param>
public readonly record struct EvaluationRequest(long Version, MicroBatchRange Range);

/// <summary>
/// What the coordinator wants a worker to do in a run. It is complete: it replaces every one
/// before it.
/// </summary>
public sealed record WorkerDirective
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }

    /// <summary>Which directive it is.</summary>
    public required DirectiveStamp Stamp { get; init; }

    /// <summary>The generation that everything below is of.</summary>
    public required Generation Generation { get; init; }

    /// <summary>The parameter servers in the order of their slices.</summary>
    public required ImmutableArray<NodeId> Servers { get; init; }

    /// <summary>Counts the assignments of the generation; for people, nothing is refused by it.
    /// </summary>
    public required long Revision { get; init; }

    /// <summary>Micro-batches to compute in every step; none: observe.</summary>
    public required MicroBatchRange Assigned { get; init; }

    /// <summary>Micro-batches to compute as well, in one step; null: none.</summary>
    public Speculation? Speculation { get; init; }

    /// <summary>Another worker's micro-batches, to compute as well in steps that are verified, and
    /// to tell the digests of; none: there is no other worker, or nothing is verified.</summary>
    public MicroBatchRange Verifies { get; init; }

    /// <summary>Micro-batches to compute once more at one step, though its lease ends there, and to
    /// tell the digests of; null: none.</summary>
    public Recheck? Recheck { get; init; }

    /// <summary>Up to which version to compute.</summary>
    public required Lease Lease { get; init; }

    /// <summary>What to evaluate; null: nothing.</summary>
    public EvaluationRequest? Evaluation { get; init; }

    /// <summary>The run is over here: let go of everything.</summary>
    public bool Closed { get; init; }

    /// <summary>Why the directive cannot be followed; null: it can.</summary>
    public string? Refusal(RunDimensions run)
    {
        if (DirectiveCheck.Refusal(Run, Stamp, Generation, Servers, run) is { } refusal)
        {
            return refusal;
        }

        if (!Assigned.LiesWithin(run.MicroBatches))
        {
            return $"micro-batches {Assigned} of {run.MicroBatches}";
        }

        if (!Verifies.LiesWithin(run.MicroBatches)
            || (Recheck is { } recheck
                && (recheck.Step < 0 || !recheck.Range.LiesWithin(run.MicroBatches))))
        {
            return $"micro-batches {Verifies} or {Recheck} of {run.MicroBatches} to verify";
        }

        if (Speculation is { } speculation && RefusalOf(speculation, run) is { } reason)
        {
            return reason;
        }

        return Evaluation is { } evaluation
            && (evaluation.Version < 0 || evaluation.Version > run.TotalSteps
                || !evaluation.Range.LiesWithin(run.EvaluationMicroBatches))
            ? $"evaluation micro-batches {evaluation.Range} of {run.EvaluationMicroBatches} at"
                + $" version {evaluation.Version}"
            : Lease.Refusal(run);
    }

    private static string? RefusalOf(Speculation speculation, RunDimensions run)
    {
        if (speculation.Step < 0 || speculation.Ranges.IsDefault)
        {
            return $"speculation on step {speculation.Step}";
        }

        int next = 0;
        foreach (MicroBatchRange range in speculation.Ranges)
        {
            if (range.First < next || !range.LiesWithin(run.MicroBatches))
            {
                return $"speculation on micro-batches {range} of {run.MicroBatches}, after those"
                    + $" before {next}";
            }

            next = range.End;
        }

        return null;
    }
}
