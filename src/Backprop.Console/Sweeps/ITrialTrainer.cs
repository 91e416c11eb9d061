using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using Backprop.Training;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>A trial of a round, and its run.</summary>
/// <param name="Trial">The trial.</param>
/// <param name="Run">Its run.</param>
internal sealed record TrialRun(SweepTrial Trial, RunSpecification Run)
{
    /// <summary>SHA-256 of all that the run comes to depends on, but for its data's content: what
    /// tells one trial from another.</summary>
    public byte[] Digest { get; } = SHA256.HashData(Encoding.UTF8.GetBytes(Run.CanonicalText));

    /// <summary>What a result says of the trial.</summary>
    public TrialOutcome OutcomeOf(TrainingResult result)
    {
        bool failed = result.Stop.Kind == StopKind.NonFinite;
        return new TrialOutcome(
            Trial.Number, Run.Epochs, failed ? null : result.BestMetric,
            failed ? null : result.WeightsSha256, result.Stop.Reason);
    }
}

/// <summary>Trains the trials of a sweep.</summary>
internal interface ITrialTrainer
{
    /// <summary>Trains the trials of a round.</summary>
    /// <param name="trials">Those that are not known yet, by number.</param>
    /// <param name="done">Called with each outcome, in any order, one at a time.</param>
    /// <param name="cancellation">Ends early; what was not told is not done.</param>
    void Train(
        ImmutableArray<TrialRun> trials, Action<TrialOutcome> done,
        CancellationToken cancellation);
}
