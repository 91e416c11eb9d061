using System.Collections.Immutable;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>A trial of a round, and its run.</summary>
/// <param name="Trial">The trial.</param>
/// <param name="Run">Its run.</param>
internal sealed record TrialRun(SweepTrial Trial, RunSpecification Run);

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
