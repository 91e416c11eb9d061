namespace Backprop.Console.Tests.Commands;

/// <summary>One clear message each, exit code 2 for a mistake of the user's and 1 for a failure,
/// and nothing half-written.</summary>
public sealed class FailureTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();
    private readonly string _moons;

    public FailureTests() => _moons = _scratch.Write("moons.conf", Specifications.Moons);

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("'--treads'", "train", "x.conf", "--treads", "2")]
    [InlineData("'fly'", "fly")]
    [InlineData("there is no option '--hlp'", "train", "--hlp")]
    [InlineData("there is no option '--jsn'", "evaluate", "--jsn")]
    [InlineData("1025 is not a whole number from 1 to 1024", "train", "x", "--threads", "1025")]
    [InlineData("0 is not a whole number from 1 to 1024", "train", "x.conf", "--threads", "0")]
    [InlineData("exclude each other", "train", "x.conf", "--resume", "--restart")]
    [InlineData("there is no specification 'no.conf'", "train", "no.conf")]
    [InlineData("there is no specification 'no.conf'", "describe", "no.conf")]
    [InlineData("'hocon' is a directory", "train", "hocon")]
    [InlineData("there is no model 'no.bpm'", "evaluate", "no.bpm")]
    [InlineData("there is no model 'no.bpm'", "predict", "no.bpm", "no.csv")]
    [InlineData("there is no configuration 'no.conf'", "train", "x", "--config", "no.conf")]
    [InlineData("'README.md'", "evaluate", "README.md")]
    public void A_wrong_command_line_is_a_mistake(string message, params string[] arguments) =>
        CommandRun.Fails(ExitCode.Mistake, message, arguments);

    [Fact]
    public void Every_mistake_of_a_specification_is_told_with_place_and_key()
    {
        string wrong = _scratch.Write(
            "wrong.conf",
            Specifications.Moons.Replace("epochs = 8", "epohcs = 8")
                .Replace("units = 2", "units = 0"));
        CommandRun run = CommandRun.Of("train", wrong, "--output", _scratch["run"]);

        Assert.Equal(ExitCode.Mistake, run.ExitCode);
        Assert.StartsWith("backprop: the specification has ", run.Error);
        Assert.Contains($"{wrong}:7:37: epohcs", run.Error);
        Assert.Contains("epochs", run.Error);
        Assert.Contains("model[1].dense.units", run.Error);
        Assert.False(Directory.Exists(_scratch["run"]));
    }

    [Theory]
    [InlineData("units = 2000000000", "model[0]")]
    [InlineData("units = 400000000", "model: training needs about")]
    public void A_network_too_large_for_the_machine_is_refused_before_memory_is_taken(
        string units, string message)
    {
        string huge = _scratch.Write(
            "huge.conf", Specifications.Moons.Replace("units = 8", units));

        CommandRun.Fails(ExitCode.Mistake, message, "train", huge, "--output", _scratch["run"]);
        Assert.False(Directory.Exists(_scratch["run"]));
    }

    [Theory]
    [InlineData("backprop { compute { threads = 1 }", "node.conf:1:10: '{' is never closed")]
    [InlineData("backprop.compute.treads = 1", "node.conf:1:1: unknown key 'backprop.compute.tre")]
    [InlineData("backprop.compute.threads = many", "backprop.compute.threads: 'many' is not")]
    [InlineData("backprop.checkpoint.interval = 0s", "backprop.checkpoint.interval: '0s' is not")]
    [InlineData("backprop.output = \"\"", "backprop.output: is empty")]
    public void A_wrong_node_configuration_is_a_mistake(string text, string message)
    {
        string file = _scratch.Write("node.conf", text);
        CommandRun.Fails(
            ExitCode.Mistake, message,
            "train", _moons, "--output", _scratch["run"], "--config", file);
    }

    [Theory]
    [InlineData("sepal,class\n1,0\n2\n", "line 3")]
    [InlineData("sepal,class\n1,0\nx,1\n", "line 3, column 'sepal'")]
    [InlineData("", "bad.csv")]
    public void Bad_data_are_a_mistake_with_their_place(string table, string message)
    {
        string data = _scratch.Write("bad.csv", table);
        string iris = _scratch.Write(
            "iris.conf", Specifications.Iris("softmax-cross-entropy", data));

        CommandRun.Fails(ExitCode.Mistake, message, "train", iris, "--output", _scratch["run"]);
        Assert.False(Directory.Exists(_scratch["run"]));
    }

    [Fact]
    public void Missing_data_are_named()
    {
        string iris = _scratch.Write(
            "iris.conf", Specifications.Iris("softmax-cross-entropy", _scratch["none.csv"]));

        CommandRun.Fails(
            ExitCode.Mistake, _scratch["none.csv"], "train", iris, "--output", _scratch["run"]);
    }

    [Fact]
    public void A_directory_that_cannot_be_made_is_a_failure()
    {
        CommandRun.Fails(
            ExitCode.Failure, $"cannot write to the directory '{_moons}/run': '{_moons}' is a file",
            "train", _moons, "--output", _moons + "/run");
        CommandRun.Fails(
            ExitCode.Mistake, $"'{_moons}' is a file", "train", _moons, "--output", _moons);
    }

    [SkippableFact]
    public void A_directory_without_permission_to_write_is_a_failure()
    {
        using var disk = SmallDisk.Mount(_scratch["disk"], "64k");
        disk.MakeReadOnly();

        CommandRun.Fails(
            ExitCode.Failure, $"cannot write to the directory '{disk.Path}/run': ",
            "train", _moons, "--output", disk.Path + "/run");
    }

    [SkippableFact]
    public void A_full_disk_fails_the_run_and_leaves_the_checkpoint_before_it()
    {
        using var disk = SmallDisk.Mount(_scratch["disk"], "256k");
        string wide = _scratch.Write(
            "wide.conf", Specifications.Moons.Replace("units = 8", "units = 800"));
        string run = Path.Combine(disk.Path, "run");
        var interruption = new Interruption();
        string first = Path.Combine(run, "checkpoint-000000000020.bpc");
        CommandRun interrupted = CommandRun.With(
            new Surroundings
            {
                Interruption = interruption,
                Time = new InterruptingTime(interruption, () => File.Exists(first)),
            },
            "train", wide, "--output", run);
        Assert.Equal(ExitCode.Interrupted, interrupted.ExitCode);
        string[] before = [.. Directory.GetFiles(run).Order()];

        // Room for the specification, but not for another checkpoint.
        disk.FillBut(24 * 1024);
        CommandRun.Fails(
            ExitCode.Failure, "cannot write the checkpoint", "train", wide, "--output", run,
            "--resume");
        Assert.Equal(before, Directory.GetFiles(run).Order());

        disk.Empty();
        CommandRun.Succeeds("train", wide, "--output", run, "--resume");
        CommandRun.Succeeds("train", wide, "--output", _scratch["undisturbed"]);
        Assert.Equal(CommandRun.Weights(_scratch["undisturbed"]), CommandRun.Weights(run));
    }

    [Fact]
    public void A_place_for_the_summary_that_is_not_there_is_found_before_training()
    {
        CommandRun.Fails(
            ExitCode.Mistake, "there is no directory", "train", _moons, "--output",
            _scratch["run"], "--summary", _scratch["none/summary.json"]);
        Assert.False(Directory.Exists(_scratch["run"]));
    }

    [Fact]
    public void A_directory_serves_one_process_at_a_time()
    {
        Directory.CreateDirectory(_scratch["run"]);
        using var held = Backprop.Console.Storage.RunDirectory.Open(_scratch["run"]);

        CommandRun.Fails(
            ExitCode.Failure, "another process is training in",
            "train", _moons, "--output", _scratch["run"]);
    }

    [Theory]
    [InlineData("output.wieght[0,0]", "there are hidden.weight, output.weight")]
    [InlineData("output.weight[2,0]", "inputs 0 to 1 and neurons 0 to 1")]
    [InlineData("output", "write it like output.weight[0,0]")]
    public void A_weight_that_is_not_there_cannot_be_explained(string weight, string message) =>
        CommandRun.Fails(
            ExitCode.Mistake, message,
            "explain", "hocon/runs/articles/two-two-two.conf", "--weight", weight);

    [Fact]
    public void A_network_too_large_to_read_is_not_explained() => CommandRun.Fails(
        ExitCode.Mistake, "50,826 parameters", "explain", "hocon/runs/digits.conf");
}
