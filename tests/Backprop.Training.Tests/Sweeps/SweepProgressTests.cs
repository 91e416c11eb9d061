using Backprop.Training.Sweeps;

namespace Backprop.Training.Tests.Sweeps;

public sealed class SweepProgressTests
{
    private const string Halving = "{ halving { trials = 9, reduction = 3, first-epochs = 3 } }";

    [Fact]
    public void Before_anything_has_begun_the_first_round_misses_all_its_trials()
    {
        SweepProgress progress = SweepProgress.Of(Plan(Halving), (_, _) => null);

        Assert.Equal(1, progress.Round.Number);
        Assert.Equal(9, progress.Round.Missing.Length);
        Assert.Equal(0, progress.Round.Open);
        Assert.Empty(progress.Ranked);
        Assert.False(progress.IsOver);
    }

    [Fact]
    public void The_next_round_waits_for_the_last_trial_of_the_one_before()
    {
        SweepPlan plan = Plan(Halving);
        SweepProgress waiting = SweepProgress.Of(
            plan,
            (_, trial) => new BegunTrial(trial.Number == 4 ? null : Outcome(trial.Number, 3)));
        Assert.Equal((1, 1), (waiting.Round.Number, waiting.Round.Open));

        SweepProgress next = SweepProgress.Of(
            plan, (round, trial) => round == 1
                ? new BegunTrial(Outcome(trial.Number, 3))
                : null);
        Assert.Equal(2, next.Round.Number);
        Assert.Equal([1, 2, 3], next.Round.Missing.Select(trial => trial.Number));
        Assert.False(next.IsOver);
        Assert.Equal(9, next.Ranked.Length);
    }

    [Fact]
    public void The_last_round_decides_and_every_trial_is_compared_by_its_last()
    {
        // Of the three of the second round, the last trial does best, and goes on alone.
        SweepProgress progress = SweepProgress.Of(
            Plan(Halving),
            (round, trial) => new BegunTrial(new TrialOutcome(
                trial.Number, 3 * (int)Math.Pow(3, round - 1),
                round == 1 ? trial.Number : -trial.Number, "", "done")));

        Assert.True(progress.IsOver);
        Assert.Equal([9, 3, 1], progress.Rounds.Select(round => round.Trials.Length));
        Assert.Equal(3, progress.Best!.Trial);
        Assert.Equal([3, 2, 1, 4, 5, 6, 7, 8, 9], progress.Ranked.Select(one => one.Trial));
    }

    [Fact]
    public void A_sweep_whose_trials_all_fail_is_over_and_has_no_best()
    {
        SweepProgress progress = SweepProgress.Of(
            Plan(Halving),
            (_, trial) => new BegunTrial(Outcome(trial.Number, 3) with { Metric = null }));

        Assert.True(progress.IsOver);
        Assert.Equal(1, progress.Round.Number);
        Assert.Null(progress.Best);
    }

    [Fact]
    public void Who_is_the_only_one_left_by_failures_is_the_best_and_its_run_is_that_of_its_round()
    {
        SweepPlan plan = Plan(Halving);
        SweepProgress progress = SweepProgress.Of(
            plan,
            (round, trial) => new BegunTrial(round == 1
                ? Outcome(trial.Number, 3)
                : Outcome(trial.Number, 9) with { Metric = null }));

        Assert.Equal(4, progress.Best!.Trial);
        Assert.Equal(3, plan.RunOf(progress.Best).Epochs);
    }

    [Theory]
    [InlineData("{ random = 7 }", 7)]
    [InlineData(Halving, 13)]
    public void Runs_of_all_rounds_are_counted(string search, int runs) =>
        Assert.Equal(runs, Plan(search).RunCount);

    [Fact]
    public void Epochs_that_are_swept_are_those_of_the_trial()
    {
        SweepPlan plan = SweepPlan.Of(
            SweepSpecificationReader.Read(
                """
                name = epochs
                run = run.conf
                parameters = [ { key = epochs, values = [3, 7] } ]
                search = grid
                """,
                "sweep.conf"),
            XorRun.Of(epochs: 27, ""), "run.conf");
        Assert.Equal([3, 7], plan.Trials.Select(trial => plan.EpochsOf(1, trial.Number)));
    }

    [Fact]
    public void A_sweep_that_is_read_from_its_own_text_does_the_same()
    {
        SweepSpecification sweep = SweepSpecificationReader.Read(Text(Halving), "sweep.conf");
        SweepPlan plan = Plan(Halving);
        SweepPlan again = SweepPlan.Of(
            SweepSpecificationReader.Read(sweep.ResolvedText, "again.conf"), plan.RunText, "run");

        Assert.Equal(
            plan.Trials.Select(trial => plan.RunOf(trial, plan.Rounds[1]).ResolvedText),
            again.Trials.Select(trial => again.RunOf(trial, again.Rounds[1]).ResolvedText));
    }

    private static TrialOutcome Outcome(int trial, int epochs) =>
        new(trial, epochs, trial, "", "done");

    private static string Text(string search) => $$"""
        name = trial
        run = run.conf
        parameters = [ { key = optimizer.adam.learning-rate, uniform = [0.01, 0.2] } ]
        search = {{search}}
        """;

    private static SweepPlan Plan(string search) => SweepPlan.Of(
        SweepSpecificationReader.Read(Text(search), "sweep.conf"), XorRun.Of(epochs: 27, ""),
        "run.conf");
}
