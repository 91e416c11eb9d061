using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Api;

/// <summary>A sweep in full.</summary>
/// <param name="Summary">What a list shows of it.</param>
/// <param name="Metric">What trials are judged by, in words.</param>
/// <param name="Rounds">Those that have begun.</param>
/// <param name="Ranked">What trials came to in their last round, the best first.</param>
/// <param name="BestRun">The best trial's specification; null: there is none, or not yet.</param>
internal sealed record SweepDetail(
    SweepSummaryView Summary, string Metric, ImmutableArray<SweepRoundDetail> Rounds,
    ImmutableArray<RankedTrial> Ranked, string? BestRun)
{
    /// <summary>Whether all of it is over.</summary>
    [JsonIgnore] // The standing says it.
    public bool IsOver => Summary.Standing
        is SweepStanding.Completed or SweepStanding.Failed or SweepStanding.Stopped;

    /// <summary>Of what the coordinator tells.</summary>
    /// <param name="view">That.</param>
    /// <param name="plugins">The plug-ins that the run may have layers of.</param>
    public static SweepDetail Of(SweepView view, LayerPlugins plugins)
    {
        SweepPlan plan;
        try
        {
            plan = SweepCourse.PlanOf(view.Specification, view.Source, view.Run, plugins);
        }
        catch (SpecificationException)
        {
            // The summary's reason says what is wrong with it.
            return new SweepDetail(view.Summary, "", [], [], null);
        }

        SweepProgress progress = SweepCourse.ProgressOf(plan, view);
        Dictionary<(int, int), SweptRunView> runs =
            view.Runs.ToDictionary(run => (run.Round, run.Trial));
        return new SweepDetail(
            view.Summary, plan.MetricName,
            [
                .. progress.Rounds.Select(round => SweepRoundDetail.Of(
                    plan, round,
                    trial => runs.GetValueOrDefault((round.Number, trial.Number)))),
            ],
            [.. progress.Ranked.Select(outcome => RankedTrial.Of(plan, outcome))],
            view.Summary.Standing == SweepStanding.Completed && progress.Best is { } best
                ? plan.RunOf(best).ResolvedText
                : null);
    }
}

/// <summary>A round of a sweep.</summary>
/// <param name="Round">From 1.</param>
/// <param name="Epochs">Epochs of its trials; null: the run's own.</param>
/// <param name="Trials">Its trials, by number.</param>
internal sealed record SweepRoundDetail(
    int Round, int? Epochs, ImmutableArray<SweepTrialDetail> Trials)
{
    public static SweepRoundDetail Of(
        SweepPlan plan, RoundProgress round, Func<SweepTrial, SweptRunView?> find)
    {
        Dictionary<int, TrialOutcome> outcomes =
            round.Outcomes.ToDictionary(outcome => outcome.Trial);
        return new SweepRoundDetail(
            round.Number, round.Round.Epochs,
            [
                .. round.Trials.Select(trial => SweepTrialDetail.Of(
                    plan, trial, find(trial), outcomes.GetValueOrDefault(trial.Number))),
            ]);
    }
}

/// <summary>A trial in a round.</summary>
/// <param name="Trial">Its number, from 1.</param>
/// <param name="Values">Its values, by the keys' paths.</param>
/// <param name="Run">Its run; null: it waits for others of the round.</param>
/// <param name="Standing">What that is at.</param>
/// <param name="Reason">That in words.</param>
/// <param name="Outcome">What it came to; null: it is not over.</param>
internal sealed record SweepTrialDetail(
    int Trial, IReadOnlyDictionary<string, string> Values, RunId? Run, RunStanding? Standing,
    string? Reason, TrialOutcome? Outcome)
{
    public static SweepTrialDetail Of(
        SweepPlan plan, SweepTrial trial, SweptRunView? run, TrialOutcome? outcome) => new(
        trial.Number, plan.ValuesOf(trial.Number), run?.Run, run?.Standing, run?.Reason, outcome);
}

/// <summary>What a trial came to in its last round.</summary>
/// <param name="Trial">Its number, from 1.</param>
/// <param name="Values">Its values, by the keys' paths.</param>
/// <param name="Epochs">Epochs that it was to be trained for.</param>
/// <param name="Metric">The best value of the run's metric; null: it failed.</param>
/// <param name="WeightsSha256">Of the weights that it ended with; null: it failed.</param>
/// <param name="Ended">Why it ended, in words.</param>
internal sealed record RankedTrial(
    int Trial, IReadOnlyDictionary<string, string> Values, int Epochs, double? Metric,
    string? WeightsSha256, string Ended)
{
    public static RankedTrial Of(SweepPlan plan, TrialOutcome outcome) => new(
        outcome.Trial, plan.ValuesOf(outcome.Trial), outcome.Epochs, outcome.Metric,
        outcome.WeightsSha256, outcome.Ended);

    /// <summary>What it was made of.</summary>
    public TrialOutcome ToOutcome() => new(Trial, Epochs, Metric, WeightsSha256, Ended);
}
