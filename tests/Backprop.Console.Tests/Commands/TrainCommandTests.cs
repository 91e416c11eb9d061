using System.Text.Json;
using Backprop.Engine.Simd;
using Backprop.Console.Storage;

namespace Backprop.Console.Tests.Commands;

public sealed class TrainCommandTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();
    private readonly string _moons;

    public TrainCommandTests() => _moons = _scratch.Write("moons.conf", Specifications.Moons);

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_summary_tells_what_the_run_came_to()
    {
        string second = _scratch["second.json"];
        CommandRun.Succeeds(
            "train", _moons, "--output", _scratch["run"], "--threads", "2", "--summary", second);
        JsonElement summary = CommandRun.Summary(_scratch["run"]);

        Assert.Equal(File.ReadAllText(_scratch["run/summary.json"]), File.ReadAllText(second));
        Assert.Equal("moons", summary.GetProperty("name").GetString());
        Assert.Equal("epochs-done", summary.GetProperty("stop").GetString());
        Assert.Equal("all 8 epochs are done", summary.GetProperty("reason").GetString());
        Assert.Equal(160, summary.GetProperty("steps").GetInt64());
        Assert.Equal(8, summary.GetProperty("epochs").GetInt64());
        Assert.Equal(2, summary.GetProperty("threads").GetInt32());
        Assert.Equal(
            (int)SimdWidths.Best * 32, summary.GetProperty("simd-width").GetInt32());
        double[] losses =
            [.. summary.GetProperty("losses").EnumerateArray().Select(e => e.GetDouble())];
        Assert.Equal(8, losses.Length);
        Assert.True(losses[^1] < losses[0]);
        Assert.Equal(
            losses[^1],
            summary.GetProperty("metrics").GetProperty("training-loss").GetDouble());
        Assert.Equal(
            JsonValueKind.Null,
            summary.GetProperty("metrics").GetProperty("validation").ValueKind);
        Assert.True(summary.GetProperty("seconds").GetDouble() > 0);
        Assert.True(summary.GetProperty("samples-per-second").GetDouble() > 0);
        Assert.InRange(
            summary.GetProperty("data-wait-seconds").GetDouble(), double.Epsilon,
            summary.GetProperty("seconds").GetDouble());
        Assert.Equal(JsonValueKind.Array, summary.GetProperty("notes").ValueKind);
        Assert.Equal(8, summary.GetProperty("best-epoch").GetInt64() + 1);
        Assert.Equal(losses[^1], summary.GetProperty("best-metric").GetDouble());
        Assert.Matches("^[0-9a-f]{64}$", summary.GetProperty("weights-sha256").GetString());
        Assert.Matches("^[0-9a-f]{64}$", summary.GetProperty("state-sha256").GetString());
        Assert.False(summary.TryGetProperty("members", out _));
    }

    [Fact]
    public void A_line_an_epoch_and_a_report_are_written_where_there_is_no_terminal()
    {
        string output = CommandRun.Succeeds("train", _moons, "--output", _scratch["run"]).Output;

        Assert.Contains("epoch 8/8  step 160  loss ", output);
        Assert.Contains("moons: all 8 epochs are done", output);
        Assert.Contains($"  sha-256     {CommandRun.Weights(_scratch["run"])}", output);
        Assert.All(output.Split('\n'), line => Assert.DoesNotContain("\u001b", line));
    }

    [Fact]
    public void An_interrupted_run_ends_in_the_bits_of_one_that_was_not()
    {
        string undisturbed = Train("undisturbed");
        CommandRun interrupted = Interrupt("run", () => HasCheckpoint("run", 60));

        Assert.Equal(ExitCode.Interrupted, interrupted.ExitCode);
        Assert.Contains(
            $"resume with: backprop train {_moons} --output {_scratch["run"]} --resume",
            interrupted.Output);
        Assert.False(File.Exists(_scratch["run/model.bpm"]));
        Assert.False(File.Exists(_scratch["run/summary.json"]));

        CommandRun resumed =
            CommandRun.Succeeds("train", _moons, "--output", _scratch["run"], "--resume");
        Assert.Contains("resumed at step", resumed.Output);
        Assert.Equal(undisturbed, CommandRun.Weights(_scratch["run"]));
    }

    [Fact]
    public void An_interrupted_run_leaves_the_digests_of_one_that_was_not()
    {
        Train("undisturbed");
        Interrupt("run", () => HasCheckpoint("run", 60));
        CommandRun.Succeeds("train", _moons, "--output", _scratch["run"], "--resume");

        byte[] digests = File.ReadAllBytes(_scratch["undisturbed/digests.bin"]);
        Assert.Equal(16 + (161 * 16), digests.Length);
        Assert.Equal(digests, File.ReadAllBytes(_scratch["run/digests.bin"]));
    }

    [Fact]
    public void A_run_that_does_not_come_to_its_recorded_digests_again_stops_at_the_step()
    {
        Interrupt("run", () => HasCheckpoint("run", 60));
        using (FileStream file = File.OpenWrite(_scratch["run/digests.bin"]))
        {
            // The digest of version 150, wherever the run was interrupted.
            file.Position = 16 + (150 * 16);
            file.Write([1, .. new byte[15]]);
        }

        CommandRun.Fails(
            ExitCode.Failure, "step 149 has not made the weights that are on record",
            "train", _moons, "--output", _scratch["run"], "--resume");
        Assert.False(File.Exists(_scratch["run/model.bpm"]));
    }

    [Fact]
    public void No_digests_are_taken_where_the_specification_says_so()
    {
        string without = _scratch.Write(
            "without.conf", Specifications.Moons + "\ndigests = false");
        CommandRun.Succeeds("train", without, "--output", _scratch["without"]);

        Assert.False(File.Exists(_scratch["without/digests.bin"]));
        Assert.Equal(Train("undisturbed"), CommandRun.Weights(_scratch["without"]));
    }

    [Fact]
    public void A_run_interrupted_before_its_first_step_can_be_resumed()
    {
        Assert.Equal(ExitCode.Interrupted, Interrupt("run", () => true).ExitCode);
        CommandRun.Succeeds("train", _moons, "--output", _scratch["run"], "--resume");

        Assert.Equal(Train("undisturbed"), CommandRun.Weights(_scratch["run"]));
    }

    [Fact]
    public void An_interrupted_run_is_neither_overwritten_nor_resumed_unasked()
    {
        Interrupt("run", () => HasCheckpoint("run", 60));
        string[] before = Directory.GetFiles(_scratch["run"]);

        CommandRun.Fails(
            ExitCode.Mistake, "go on with --resume, start anew with --restart",
            "train", _moons, "--output", _scratch["run"]);
        Assert.Equal(before, Directory.GetFiles(_scratch["run"]));
        CommandRun anew =
            CommandRun.Succeeds("train", _moons, "--output", _scratch["run"], "--restart");
        Assert.DoesNotContain("resumed", anew.Output);
        Assert.Equal(Train("undisturbed"), CommandRun.Weights(_scratch["run"]));
    }

    [Fact]
    public void A_damaged_checkpoint_is_passed_over_for_the_one_before_it()
    {
        Interrupt("run", () => HasCheckpoint("run", 60));
        string newest = Checkpoints("run")[^1];
        byte[] bytes = File.ReadAllBytes(newest);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(newest, bytes);
        Assert.Equal(2, Checkpoints("run").Length);

        CommandRun resumed =
            CommandRun.Of("train", _moons, "--output", _scratch["run"], "--resume");
        Assert.Equal(ExitCode.Done, resumed.ExitCode);
        Assert.StartsWith("backprop: a checkpoint was passed over", resumed.Error);
        Assert.Contains(newest, resumed.Error);
        Assert.True(File.Exists(newest + ".damaged"));
        Assert.Equal(Train("undisturbed"), CommandRun.Weights(_scratch["run"]));
    }

    [Fact]
    public void With_no_checkpoint_that_is_whole_the_run_is_not_silently_begun_anew()
    {
        Interrupt("run", () => HasCheckpoint("run", 60));
        foreach (string file in Checkpoints("run"))
        {
            File.WriteAllText(file, "gone");
        }

        CommandRun.Fails(
            ExitCode.Failure, "no checkpoint can be read",
            "train", _moons, "--output", _scratch["run"], "--resume");
    }

    [Fact]
    public void A_checkpoint_of_another_run_is_refused_by_what_differs()
    {
        Interrupt("run", () => HasCheckpoint("run", 60));
        string other = _scratch.Write(
            "other.conf", Specifications.Moons.Replace("units = 8", "units = 9"));

        CommandRun.Fails(
            ExitCode.Failure, "units", "train", other, "--output", _scratch["run"], "--resume");
    }

    [Fact]
    public void An_ensemble_is_averaged_and_resumed_in_the_midst_of_a_member()
    {
        string ensemble = _scratch.Write(
            "ensemble.conf", Specifications.Moons + "\nensemble { seeds = 3 }\n"
            + "data.test { generated { moons { samples = 100, noise = 0.1, seed = 2 } } }");
        CommandRun.Succeeds("train", ensemble, "--output", _scratch["whole"]);
        var interruption = new Interruption();
        CommandRun interrupted = CommandRun.With(
            new Surroundings
            {
                Interruption = interruption,
                Time = new InterruptingTime(
                    interruption, () => HasCheckpoint("run/member-1", 60)),
            },
            "train", ensemble, "--output", _scratch["run"]);
        Assert.Equal(ExitCode.Interrupted, interrupted.ExitCode);
        CommandRun.Fails(
            ExitCode.Mistake, "--resume", "train", ensemble, "--output", _scratch["run"]);
        CommandRun.Succeeds("train", ensemble, "--output", _scratch["run"], "--resume");

        string[] members = Members("run");
        Assert.Equal(3, members.Distinct().Count());
        Assert.Equal(Members("whole"), members);
        Assert.Equal(480, CommandRun.Summary(_scratch["run"]).GetProperty("steps").GetInt64());
        string evaluation = CommandRun.Succeeds("evaluate", _scratch["run/model.bpm"]).Output;
        double loss = CommandRun.Summary(_scratch["run"]).GetProperty("metrics")
            .GetProperty("test").GetProperty("loss").GetDouble();
        Assert.Contains(FormattableString.Invariant($"loss {loss:G4}"), evaluation);
    }

    [Fact]
    public void A_loss_that_is_not_finite_fails_the_run_and_keeps_the_weights_before_it()
    {
        string wild = _scratch.Write("wild.conf", Specifications.Moons
            .Replace("adam { learning-rate = 0.01 }", "sgd { learning-rate = 1e30 }")
            .Replace("tanh", "relu"));

        CommandRun run = CommandRun.Of("train", wild, "--output", _scratch["run"]);
        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Matches("^backprop: training failed: (in )?step \\d+", run.Error);
        Assert.Equal(
            "non-finite", CommandRun.Summary(_scratch["run"]).GetProperty("stop").GetString());
        Assert.True(File.Exists(_scratch["run/model.bpm"]));
    }

    [Fact]
    public void The_node_configuration_gives_way_to_the_environment_and_that_to_options()
    {
        string file = _scratch.Write(
            "node.conf", $"backprop {{ compute.threads = 3, output = \"{_scratch.Path}\" }}");
        var surroundings = new Surroundings
        {
            Variables = new Dictionary<string, string> { ["BACKPROP__COMPUTE__THREADS"] = "2" },
        };
        Assert.Equal(0, CommandRun.With(surroundings, "train", _moons, "--config", file).ExitCode);
        Assert.Equal(2, Threads());
        CommandRun.Succeeds("train", _moons, "--config", file);
        Assert.Equal(3, Threads());
        CommandRun.Succeeds("train", _moons, "--config", file, "--threads", "1");
        Assert.Equal(1, Threads());

        int Threads() =>
            CommandRun.Summary(_scratch["moons"]).GetProperty("threads").GetInt32();
    }

    [Fact]
    public void The_kept_specification_stands_alone()
    {
        string included = _scratch.Write(
            "variant.conf", "include \"moons.conf\"\nseed = 4\nname = ${name}-two");
        CommandRun.Succeeds("train", included, "--output", _scratch["run"]);
        File.Delete(_moons);

        CommandRun.Succeeds("evaluate", _scratch["run/model.bpm"]);
        CommandRun.Succeeds("train", _scratch["run/run.conf"], "--output", _scratch["again"]);
        Assert.Equal(CommandRun.Weights(_scratch["run"]), CommandRun.Weights(_scratch["again"]));
    }

    [Fact]
    public void What_a_killed_process_left_half_written_is_cleared_away()
    {
        Interrupt("run", () => HasCheckpoint("run", 60));
        string partial = _scratch["run/checkpoint-000000000080.bpc" + DurableFile.PartialSuffix];
        File.WriteAllText(partial, "half");
        CommandRun.Succeeds("train", _moons, "--output", _scratch["run"], "--resume");

        Assert.False(File.Exists(partial));
    }

    private string Train(string directory)
    {
        CommandRun.Succeeds("train", _moons, "--output", _scratch[directory], "--threads", "1");
        return CommandRun.Weights(_scratch[directory]);
    }

    private CommandRun Interrupt(string directory, Func<bool> when)
    {
        var interruption = new Interruption();
        return CommandRun.With(
            new Surroundings
            {
                Interruption = interruption,
                Time = new InterruptingTime(interruption, when),
            },
            "train", _moons, "--output", _scratch[directory]);
    }

    private bool HasCheckpoint(string directory, long step) =>
        File.Exists(_scratch[$"{directory}/checkpoint-{step:D12}.bpc"]);

    private string[] Checkpoints(string directory) =>
        [.. Directory.GetFiles(_scratch[directory], "*.bpc").Order(StringComparer.Ordinal)];

    private string[] Members(string directory) =>
    [
        .. CommandRun.Summary(_scratch[directory]).GetProperty("members").EnumerateArray()
            .Select(member => member.GetProperty("weights-sha256").GetString()!),
    ];
}
