namespace Backprop.Console.Tests.Commands;

public class SimulateCommandTests
{
    [Fact]
    public void Simulate_counts_what_has_happened()
    {
        string text = CommandRun.Succeeds(
            "simulate", "--seeds", "1..20", "--threads", "2").Output;

        Assert.Matches(@"(^|\n)20 seeds, [\d.]+ a second\r?\n", text);
        Assert.Matches(@"\nruns +20\r?\n", text);
        Assert.Matches(@"\ncrashes +[1-9]\d*\r?\n", text);
    }

    [Fact]
    public void A_seed_that_fails_is_told_with_its_trace_and_how_to_repeat_it()
    {
        CommandRun run = CommandRun.Of(
            "simulate", "--seeds", "1..50", "--threads", "2", "--plant", "DuplicateAdded");

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Matches(@"^backprop: seed \d+ fails: .* micro-batches are counted", run.Error);
        Assert.Contains("--trace --plant DuplicateAdded' shows it", run.Error);
        Assert.Contains(" gradient of node ", run.Output);
    }

    [Fact]
    public void A_trace_shows_a_seed_from_its_beginning_to_its_end()
    {
        string text = CommandRun.Succeeds("simulate", "--seeds", "3", "--trace").Output;

        Assert.Matches(@"^ +0\.0000  node-0\.1 +starts as ", text);
        Assert.EndsWith("seed 3 ends in the single process's bits", text.TrimEnd());
    }

    [Fact]
    public void An_interrupted_sweep_says_how_far_it_has_come()
    {
        var interruption = new Interruption();
        interruption.Request();

        CommandRun run = CommandRun.With(
            new Surroundings { Interruption = interruption }, "simulate");

        Assert.Equal((ExitCode.Interrupted, ""), (run.ExitCode, run.Error));
        Assert.StartsWith("0 seeds, ", run.Output);
    }

    [Theory]
    [InlineData("5..1")]
    [InlineData("x")]
    [InlineData("1..2..3")]
    [InlineData("-1")]
    public void What_is_no_range_of_seeds_is_refused(string seeds) => CommandRun.Fails(
        ExitCode.Mistake, "is no range of seeds", "simulate", $"--seeds={seeds}");
}
