using System.Collections.Immutable;

namespace Backprop.Training.Sweeps;

/// <summary>What has become of a trial in a round.</summary>
/// <param name="Outcome">What it came to; null: it is not over.</param>
public readonly record struct BegunTrial(TrialOutcome? Outcome);

/// <summary>How far a round is.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Round">The round.</param>
/// <param name="Trials">Those that it trains, by number.</param>
/// <param name="Missing">Those of them that nobody has begun.</param>
/// <param name="Outcomes">Of those that are over, by number.</param>
public sealed record RoundProgress(
    int Number, SweepRound Round, ImmutableArray<SweepTrial> Trials,
    ImmutableArray<SweepTrial> Missing, ImmutableArray<TrialOutcome> Outcomes)
{
    /// <summary>Trials that are begun and not over.</summary>
    public int Open => Trials.Length - Missing.Length - Outcomes.Length;
}

/// <summary>How far a sweep is: a function of its plan and of what became of its trials, so that
/// whoever knows these goes on as anybody else would.</summary>
/// <param name="Rounds">Those that have begun, the last one being the one that goes on.</param>
/// <param name="Ranked">The latest outcome of each trial that has one, the best first.</param>
public sealed record SweepProgress(
    ImmutableArray<RoundProgress> Rounds, ImmutableArray<TrialOutcome> Ranked)
{
    /// <summary>The round that goes on, or the last one.</summary>
    public RoundProgress Round => Rounds[^1];

    /// <summary>Whether nothing is left to be trained.</summary>
    public bool IsOver => Round.Outcomes.Length == Round.Trials.Length;

    /// <summary>The best trial of a sweep that is over; null: there is none.</summary>
    public TrialOutcome? Best => IsOver ? SweepPlan.BestOf(Ranked) : null;

    /// <summary>Finds out how far a sweep is.</summary>
    /// <param name="plan">What it does.</param>
    /// <param name="find">What has become of a trial in a round, by the numbers of both, from 1;
    /// null: nobody has begun it.</param>
    public static SweepProgress Of(SweepPlan plan, Func<int, SweepTrial, BegunTrial?> find)
    {
        var rounds = ImmutableArray.CreateBuilder<RoundProgress>();
        var latest = new Dictionary<int, TrialOutcome>();
        ImmutableArray<SweepTrial> trials = plan.Trials;
        while (!trials.IsEmpty)
        {
            RoundProgress here = Look(plan, rounds.Count + 1, trials, find);
            rounds.Add(here);
            foreach (TrialOutcome outcome in here.Outcomes)
            {
                latest[outcome.Trial] = outcome;
            }

            // Who goes on is known once all are over.
            trials = here.Outcomes.Length == trials.Length
                ? plan.Survivors(here.Round, here.Outcomes)
                : [];
        }

        return new SweepProgress(rounds.ToImmutable(), plan.Ranked(latest.Values));
    }

    private static RoundProgress Look(
        SweepPlan plan, int number, ImmutableArray<SweepTrial> trials,
        Func<int, SweepTrial, BegunTrial?> find)
    {
        var missing = ImmutableArray.CreateBuilder<SweepTrial>();
        var outcomes = ImmutableArray.CreateBuilder<TrialOutcome>();
        foreach (SweepTrial trial in trials)
        {
            if (find(number, trial) is not { } begun)
            {
                missing.Add(trial);
            }
            else if (begun.Outcome is { } outcome)
            {
                outcomes.Add(outcome);
            }
        }

        return new RoundProgress(
            number, plan.Rounds[number - 1], trials, missing.ToImmutable(),
            outcomes.ToImmutable());
    }
}
