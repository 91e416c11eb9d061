using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Training.Protocol;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>Tells of a sweep, wherever it is trained.</summary>
/// <param name="plan">What it does.</param>
/// <param name="directory">What it keeps.</param>
/// <param name="environment">Where it is told.</param>
internal sealed class SweepReport(
    SweepPlan plan, SweepDirectory directory, CommandEnvironment environment)
{
    /// <summary>A round begins.</summary>
    /// <param name="number">From 1.</param>
    /// <param name="trials">Of the round.</param>
    public void Begin(int number, int trials)
    {
        if (!environment.IsJson && plan.Rounds.Length > 1)
        {
            int epochs = plan.Rounds[number - 1].Epochs ?? plan.Epochs;
            environment.Output.WriteLine(
                $"round {number} of {plan.Rounds.Length}: {Counted.Of(trials, "trial")},"
                + $" {Counted.Of(epochs, "epoch")}");
        }
    }

    /// <summary>A trial is over.</summary>
    /// <param name="outcome">What it came to.</param>
    /// <param name="done">Trials of the round that are over, with this one.</param>
    /// <param name="of">Trials of the round.</param>
    public void Tell(TrialOutcome outcome, int done, int of)
    {
        if (environment.IsJson)
        {
            return;
        }

        string values = string.Join(
            ", ",
            plan.ValuesOf(outcome.Trial)
                .Select(pair => $"{SweepTable.Short(pair.Key)} {pair.Value}"));
        environment.Output.WriteLine(
            $"{done}/{of}: trial {outcome.Trial}, {values}: "
            + (outcome.Metric is { } metric
                ? $"{plan.MetricName} {NumberText.Short(metric)}"
                : outcome.Ended));
    }

    /// <summary>The sweep is over.</summary>
    /// <param name="ranked">What trials came to, the best first.</param>
    /// <returns>The exit code.</returns>
    public int End(ImmutableArray<TrialOutcome> ranked)
    {
        TrialOutcome? best = SweepPlan.BestOf(ranked);
        if (best is not null)
        {
            directory.KeepBest(plan.RunOf(best));
        }

        environment.Answer(
            new
            {
                metric = plan.MetricName,
                best = best?.Trial,
                run = best is null ? null : directory.BestRun,
                trials = ranked.Select(outcome => new
                {
                    trial = outcome.Trial,
                    values = plan.ValuesOf(outcome.Trial),
                    epochs = outcome.Epochs,
                    metric = outcome.Metric,
                    weightsSha256 = outcome.WeightsSha256,
                    ended = outcome.Ended,
                }),
            },
            Lines(ranked, best));
        return best is null ? ExitCode.Failure : ExitCode.Done;
    }

    private IEnumerable<string> Lines(ImmutableArray<TrialOutcome> ranked, TrialOutcome? best) =>
    [
        "",
        .. SweepTable.Write(
            plan.MetricName,
            [.. ranked.Select(outcome => (outcome, plan.ValuesOf(outcome.Trial)))],
            environment.Width),
        best is null
            ? $"every trial failed: {ranked[0].Ended}"
            : $"best: trial {best.Trial}; 'backprop train {directory.BestRun}' trains it to the"
                + " same weights",
    ];
}
