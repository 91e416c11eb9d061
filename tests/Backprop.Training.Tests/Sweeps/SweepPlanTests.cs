using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Training.Tests.Sweeps;

public sealed class SweepPlanTests
{
    private static readonly string s_run = XorRun.Of(epochs: 27, "penalty { l2 = 0.1 }");

    [Fact]
    public void A_grid_has_every_combination_and_the_last_key_changes_fastest()
    {
        SweepPlan plan = Plan("""
            parameters = [
              { key = optimizer.adam.learning-rate, values = [0.1, 0.01] }
              { key = "model[0].dense.units", values = [3, 5, 8] }
            ]
            search = grid
            """);
        Assert.Equal(
            ["0.1 3", "0.1 5", "0.1 8", "0.01 3", "0.01 5", "0.01 8"],
            plan.Trials.Select(trial => string.Join(' ', trial.Values)));
        RunSpecification fourth = plan.RunOf(plan.Trials[3], Assert.Single(plan.Rounds));
        Assert.Equal("trial-4", fourth.Name);
        Assert.Equal(0.01f, fourth.Optimizer.LearningRate);
        Assert.Equal(27, fourth.Epochs);
        Assert.Contains("model[0].dense.units = 3", fourth.CanonicalText, StringComparison.Ordinal);
    }

    [Fact]
    public void Drawn_values_are_in_their_ranges_and_the_same_for_the_same_seed()
    {
        const string Drawn = """
            seed = 7
            parameters = [
              { key = optimizer.adam.learning-rate, log-uniform = [1e-4, 1e-1] }
              { key = "model[0].dense.units", integers = [2, 4] }
              { key = penalty.l2, uniform = [0.25, 0.75] }
              { key = seed, values = [1, 2] }
            ]
            search { random = 400 }
            """;
        SweepPlan plan = Plan(Drawn);
        double[][] values =
        [
            .. plan.Trials.Select(trial => trial.Values.Select(value => double.Parse(
                value, System.Globalization.CultureInfo.InvariantCulture)).ToArray()),
        ];
        Assert.All(values, trial => Assert.InRange(trial[0], 1e-4, 1e-1));
        Assert.Equal([2.0, 3, 4], values.Select(trial => trial[1]).Distinct().Order());
        Assert.All(values, trial => Assert.InRange(trial[2], 0.25, 0.75));
        Assert.Equal([1.0, 2], values.Select(trial => trial[3]).Distinct().Order());

        // Of three decades each has a third.
        Assert.All(
            values.CountBy(trial => Math.Floor(Math.Log10(trial[0]))),
            decade => Assert.InRange(decade.Value, 90, 180));
        Assert.Equal(
            plan.Trials.Select(trial => string.Join(' ', trial.Values)),
            Plan(Drawn).Trials.Select(trial => string.Join(' ', trial.Values)));
        Assert.NotEqual(
            plan.Trials[0].Values.AsEnumerable(),
            Plan(Drawn.Replace("seed = 7", "seed = 8")).Trials[0].Values);
    }

    [Fact]
    public void Halving_trains_fewer_and_fewer_for_longer_and_longer()
    {
        SweepPlan plan = Plan("""
            parameters = [ { key = optimizer.adam.learning-rate, uniform = [0.01, 0.2] } ]
            search { halving { trials = 10, reduction = 3, first-epochs = 2 } }
            """);
        Assert.Equal(
            [(2, 4), (6, 2), (18, 1), (27, 0)],
            plan.Rounds.Select(round => (round.Epochs!.Value, round.Survivors)));
        Assert.Equal(6, plan.RunOf(plan.Trials[0], plan.Rounds[1]).Epochs);
    }

    [Fact]
    public void The_best_go_on_and_who_failed_does_not()
    {
        SweepPlan plan = Plan("""
            parameters = [ { key = optimizer.adam.learning-rate, uniform = [0.01, 0.2] } ]
            search { halving { trials = 5, reduction = 2 } }
            """);
        TrialOutcome[] outcomes =
        [
            Outcome(1, 0.5), Outcome(2, null), Outcome(3, 0.25), Outcome(4, double.NaN),
            Outcome(5, 0.25),
        ];
        Assert.Equal([3, 5, 1, 2, 4], plan.Ranked(outcomes).Select(outcome => outcome.Trial));
        Assert.Equal(
            [1, 3, 5],
            plan.Survivors(new SweepRound(1, 3), outcomes).Select(trial => trial.Number));
        Assert.Equal(
            [1, 3, 5],
            plan.Survivors(new SweepRound(1, 9), outcomes).Select(trial => trial.Number));

        // Who was trained longer is better than who looked good early.
        Assert.Equal(
            [1, 3, 5, 2, 4],
            plan.Ranked([Outcome(1, 0.5) with { Epochs = 2 }, .. outcomes[1..]])
                .Select(outcome => outcome.Trial));
    }

    [Theory]
    [InlineData(
        "{ key = optimizer.adam.rate.x, values = [1] }", "grid",
        "has no 'rate' there; ")]
    [InlineData(
        "{ key = \"model[2].dense.units\", values = [1] }", "grid", "no place of its array")]
    [InlineData("{ key = model, values = [1] }", "grid", "has keys of its own")]
    [InlineData("{ key = \"a..b\", values = [1] }", "grid", "no path of a key")]
    [InlineData("{ key = seed, uniform = [0, 1] }", "grid", "a grid has listed values only")]
    [InlineData("{ key = seed }", "grid", "exactly one of values, integers")]
    [InlineData("{ key = seed, values = [1], integers = [1, 2] }", "grid", "exactly one of")]
    [InlineData("{ key = seed, integers = [2, 1] }", "{ random = 1 }", "the least first")]
    [InlineData("{ key = seed, log-uniform = [0, 1] }", "{ random = 1 }", "a number above 0")]
    [InlineData("{ key = epochs, values = [1] }", "{ halving { trials = 3 } }", "halving itself")]
    [InlineData(
        "{ key = seed, values = [1] }, { key = seed, values = [2] }", "grid",
        "stands here 2 times")]
    [InlineData("{ key = seed, values = [1] }", "{ random = 10001 }", "from 1 to 10000")]
    public void A_mistake_is_told_with_its_place(string parameters, string search, string message)
    {
        string text = $"parameters = [ {parameters} ]\nsearch = {search}";
        SpecificationException mistake =
            Assert.Throws<SpecificationException>(() => Plan(text));
        SpecificationError error = Assert.Single(mistake.Errors);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal("sweep.conf", error.Position.File);
        Assert.InRange(error.Position.Line, 3, 4);
    }

    [Fact]
    public void A_value_that_does_not_suit_its_key_is_told_where_the_sweep_names_it()
    {
        SweepPlan plan = Plan("""
            parameters = [ { key = "model[0].dense.units", values = [3, wide] } ]
            search = grid
            """);
        plan.RunOf(plan.Trials[0], plan.Rounds[0]);
        SpecificationError error = Assert.Single(Assert.Throws<SpecificationException>(
            () => plan.RunOf(plan.Trials[1], plan.Rounds[0])).Errors);
        Assert.Equal("sweep.conf", error.Position.File);
        Assert.Equal("model[0].dense.units", error.Path);
        Assert.Contains("'wide'", error.Message, StringComparison.Ordinal);
    }

    private static TrialOutcome Outcome(int trial, double? metric) =>
        new(trial, 1, metric, "", "epochs done");

    private static SweepPlan Plan(string text) => SweepPlan.Of(
        SweepSpecificationReader.Read($"name = trial\nrun = run.conf\n{text}", "sweep.conf"), s_run,
        "run.conf");
}
