using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>Trains one trial after the other in this process, each with all threads.</summary>
/// <param name="threads">Threads that compute.</param>
/// <param name="time">The clock.</param>
internal sealed class LocalTrials(int threads, TimeProvider time)
{
    /// <summary>Trains the trials of a round.</summary>
    /// <param name="trials">Those that are not known yet, by number.</param>
    /// <param name="done">Called with each outcome.</param>
    /// <param name="cancellation">Ends early; what was not told is not done.</param>
    public void Train(
        ImmutableArray<TrialRun> trials, Action<TrialOutcome> done,
        CancellationToken cancellation)
    {
        using var pool = new ComputePool(threads);
        foreach (TrialRun trial in trials)
        {
            TrialOutcome? outcome = new ComputeThread<TrialOutcome?>(
                $"trial {trial.Trial.Number}", () => Train(trial, pool, cancellation)).Result();
            if (outcome is null)
            {
                return;
            }

            done(outcome);
        }
    }

    // Null: it was interrupted.
    private TrialOutcome? Train(TrialRun trial, ComputePool pool, CancellationToken cancellation)
    {
        using PlannedRun planned = SpecificationFile.Plan(trial.Run);
        using var trainer = new SingleProcessTrainer(planned.Plan, pool, time);
        TrainingResult result = trainer.Run(new TrainingProgress(), null, cancellation);
        return result.Stop.Kind == StopKind.Interrupted ? null : trial.OutcomeOf(result);
    }
}
