using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop sweep</c>.</summary>
public sealed class SweepCommandTests : IDisposable
{
    private const string Halving = """
        name = halves
        run = xor.conf
        seed = 5
        parameters = [
          { key = optimizer.adam.learning-rate, log-uniform = [1e-4, 0.3] }
          { key = "model[0].dense.units", integers = [2, 9] }
        ]
        search { halving { trials = 9, reduction = 3, first-epochs = 5 } }
        """;

    private readonly ScratchDirectory _scratch = new();

    public SweepCommandTests() =>
        _scratch.Write("xor.conf", XorRun.Of(epochs: 40, "seed = 3"));

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_best_of_a_sweep_trains_to_the_weights_that_it_was_chosen_for()
    {
        JsonElement result = Sweep(Halving);
        JsonElement[] trials = [.. result.GetProperty("trials").EnumerateArray()];
        Assert.Equal(
            [40, 15, 15, 5, 5, 5, 5, 5, 5],
            trials.Select(trial => trial.GetProperty("epochs").GetInt32()));
        JsonElement best = trials[0];
        Assert.Equal(result.GetProperty("best").GetInt32(), best.GetProperty("trial").GetInt32());

        CommandRun.Succeeds(
            "train", result.GetProperty("run").GetString()!, "--output", _scratch["best"]);
        Assert.Equal(
            CommandRun.Weights(_scratch["best"]),
            best.GetProperty("weightsSha256").GetString());
    }

    [Fact]
    public void One_that_goes_on_trains_nothing_twice_and_comes_to_the_same()
    {
        string first = Sweep(Halving).ToString();
        string kept = Path.Combine(_scratch["out"], "trials.json");
        string outcomes = File.ReadAllText(kept);
        DateTime written = File.GetLastWriteTimeUtc(kept);

        Assert.Equal(first, Sweep(Halving).ToString());
        Assert.Equal(written, File.GetLastWriteTimeUtc(kept));
        Assert.Equal(outcomes, File.ReadAllText(kept));
    }

    [Fact]
    public void A_grid_is_ranked_and_a_trial_that_failed_is_last()
    {
        string text = CommandRun.Succeeds(
            "sweep",
            _scratch.Write("grid.conf", """
                name = grid
                run = xor.conf
                parameters = [
                  { key = optimizer.adam.learning-rate, values = [1e-5, 0.1, 1e38] }
                ]
                search = grid
                """),
            "--output", _scratch["out"]).Output;
        string[] lines = text.Split('\n');
        int head = Array.FindIndex(
            lines, line => line.StartsWith("trial ", StringComparison.Ordinal));
        Assert.Matches("^trial +learning-rate +epochs +training loss +weights$", lines[head]);
        Assert.Matches("^2 +0.1 ", lines[head + 2]);
        Assert.Matches("^1 +1e-5 ", lines[head + 3]);
        Assert.Matches("^3 +1e38 +40 +failed", lines[head + 4]);
        Assert.StartsWith("best: trial 2; ", lines[head + 5], StringComparison.Ordinal);
        Assert.All(lines[..(head + 5)], line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public void Outcomes_that_no_sweep_has_written_are_refused()
    {
        Directory.CreateDirectory(_scratch["out"]);
        File.WriteAllText(Path.Combine(_scratch["out"], "trials.json"), "{ not json");
        CommandRun.Fails(
            ExitCode.Mistake, "without it the sweep begins anew", "sweep",
            _scratch.Write("sweep.conf", Halving), "--output", _scratch["out"]);
    }

    [Fact]
    public void The_shipped_sweep_is_one_and_can_be_interrupted()
    {
        var interruption = new Interruption();
        interruption.Request();
        CommandRun run = CommandRun.With(
            new Surroundings { Interruption = interruption },
            "sweep", "hocon/sweeps/digits.conf", "--output", _scratch["out"]);
        Assert.Equal(ExitCode.Interrupted, run.ExitCode);
        Assert.Equal("round 1 of 4: 27 trials, 2 epochs\n", run.Output);
        Assert.Contains("the same command goes on", run.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_scratch["out"], "trials.json")));
    }

    private JsonElement Sweep(string text)
    {
        using var document = JsonDocument.Parse(CommandRun.Succeeds(
            "sweep", _scratch.Write("sweep.conf", text), "--output", _scratch["out"],
            "--json").Output);
        return document.RootElement.Clone();
    }
}
