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
    public TrialOutcome OutcomeOf(TrainingResult result) => TrialOutcome.Of(
        Trial.Number, Run.Epochs, result.Stop, result.BestMetric, result.WeightsSha256);
}
