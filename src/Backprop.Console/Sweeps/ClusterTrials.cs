using System.Collections.Immutable;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>Hands all trials of a round to a cluster, whose queue shares its workers out among
/// them. A sweep that is begun again finds the runs that it has submitted before.</summary>
/// <param name="api">The cluster.</param>
/// <param name="priority">Of the runs, in the queue.</param>
internal sealed class ClusterTrials(ApiClient api, int priority) : ITrialTrainer
{
    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    public void Train(
        ImmutableArray<TrialRun> trials, Action<TrialOutcome> done,
        CancellationToken cancellation) =>
        TrainAsync(trials, done, cancellation).GetAwaiter().GetResult();

    private async Task TrainAsync(
        ImmutableArray<TrialRun> trials, Action<TrialOutcome> done,
        CancellationToken cancellation)
    {
        // All of a round is submitted, or nothing.
        if (trials.Select(trial => ClusterRules.Refusal(trial.Run))
            .FirstOrDefault(refusal => refusal is not null) is { } mistake)
        {
            throw new SpecificationException([mistake]);
        }

        var waiting = new Dictionary<RunId, TrialRun>();
        foreach (TrialRun trial in trials)
        {
            // The same trial is the same run, whoever submits it again.
            RunId id = await api.SubmitAsync(
                new Guid(trial.Digest.AsSpan(0, 16)), trial.Run.ResolvedText, trial.Run.Name,
                priority, cancellation);
            waiting.Add(id, trial);
        }

        while (waiting.Count > 0)
        {
            RunSummaryView[] runs = await api.RunsAsync(cancellation);
            foreach (RunSummaryView run in runs)
            {
                if (IsOver(run.Standing) && waiting.Remove(run.Id, out TrialRun? trial))
                {
                    done(OutcomeOf(trial, await api.RunAsync(run.Id, cancellation)));
                }
            }

            HashSet<RunId> known = [.. runs.Select(run => run.Id)];
            if (waiting.Keys.FirstOrDefault(id => !known.Contains(id)) is { Value: not null } gone)
            {
                throw new MistakeException(
                    $"the cluster has no run {gone} any more, which is trial "
                    + $"{waiting[gone].Trial.Number}");
            }

            if (waiting.Count > 0)
            {
                await Task.Delay(s_look, cancellation);
            }
        }
    }

    private static bool IsOver(RunStanding standing) =>
        standing is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped;

    private static TrialOutcome OutcomeOf(TrialRun trial, RunView run) => run.Result is { } result
        ? trial.OutcomeOf(result)
        : new TrialOutcome(
            trial.Trial.Number, trial.Run.Epochs, null, null, run.Summary.Reason);
}
