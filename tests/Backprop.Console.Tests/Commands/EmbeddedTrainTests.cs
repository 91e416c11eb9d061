using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop train --workers</c>: a cluster in the process, with nothing to set up.
/// </summary>
public sealed class EmbeddedTrainTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();
    private readonly string _iris;

    public EmbeddedTrainTests() => _iris = _scratch.Write(
        "iris.conf",
        Specifications.Iris("softmax-cross-entropy").Replace("epochs = 60", "epochs = 9"));

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Workers_and_servers_come_to_the_files_of_the_single_process()
    {
        string single = _scratch["single"], cluster = _scratch["cluster"];
        CommandRun.Succeeds("train", _iris, "--output", single);
        string output = CommandRun.Succeeds(
            "train", _iris, "--workers", "3", "--parameter-servers", "2", "--output", cluster)
            .Output;

        Assert.Contains("iris: all 9 epochs are done", output);
        JsonElement mine = CommandRun.Summary(cluster), oracle = CommandRun.Summary(single);
        foreach (string key in (string[])
            ["weights-sha256", "state-sha256", "losses", "history", "metrics", "best-epoch"])
        {
            Assert.Equal(oracle.GetProperty(key).ToString(), mine.GetProperty(key).ToString());
        }

        Assert.Equal(
            File.ReadAllBytes($"{single}/digests.bin"),
            File.ReadAllBytes($"{cluster}/digests.bin"));
        Assert.Equal(
            CommandRun.Succeeds("evaluate", $"{single}/model.bpm", "--data", _iris).Output,
            CommandRun.Succeeds("evaluate", $"{cluster}/model.bpm", "--data", _iris).Output);
    }

    [Theory]
    [InlineData("sequences.conf")]
    [InlineData("everything.conf")]
    public void A_cluster_trains_every_layer_to_the_bits_of_the_single_process(string file)
    {
        string run = Path.Combine(
            CommandRun.Root, "tests", "Backprop.Console.Tests", "Exactness", file);
        string single = _scratch["single"], cluster = _scratch["cluster"];
        CommandRun.Succeeds("train", run, "--output", single);
        CommandRun.Succeeds(
            "train", run, "--workers", "3", "--parameter-servers", "2", "--output", cluster);
        JsonElement mine = CommandRun.Summary(cluster), oracle = CommandRun.Summary(single);
        foreach (string key in (string[])
            ["weights-sha256", "state-sha256", "losses", "history", "metrics"])
        {
            Assert.Equal(oracle.GetProperty(key).ToString(), mine.GetProperty(key).ToString());
        }
    }

    [Fact]
    public void Rounded_gradients_are_said_to_be_inexact_and_one_process_rounds_none()
    {
        string rounded = _scratch.Write(
            "rounded.conf", File.ReadAllText(_iris) + "\ntransport { gradients = bf16 }");

        CommandRun single = CommandRun.Of(
            "train", rounded, "--output", _scratch["single"]);
        string cluster = CommandRun.Succeeds(
            "train", rounded, "--workers", "2", "--output", _scratch["cluster"]).Output;
        CommandRun.Succeeds("train", _iris, "--output", _scratch["exact"]);

        Assert.Equal(ExitCode.Done, single.ExitCode);
        Assert.Contains("transport.gradients is for clusters", single.Error);
        Assert.Equal(
            CommandRun.Weights(_scratch["exact"]), CommandRun.Weights(_scratch["single"]));
        Assert.Contains("inexact: gradients travel rounded to bf16", cluster);
        Assert.Contains(
            "inexact", CommandRun.Summary(_scratch["cluster"]).GetProperty("notes").ToString());
        Assert.NotEqual(
            CommandRun.Weights(_scratch["exact"]), CommandRun.Weights(_scratch["cluster"]));
    }

    [Fact]
    public void A_run_that_is_over_tells_its_result_again()
    {
        string[] command = ["train", _iris, "--workers", "1", "--output", _scratch["run"]];
        CommandRun.Succeeds(command);
        string weights = CommandRun.Weights(_scratch["run"]);

        string again = CommandRun.Succeeds([.. command, "--resume"]).Output;

        Assert.Contains("all 9 epochs are done, resumed at step", again);
        Assert.Contains(weights, again);
    }

    [Theory]
    [InlineData("--workers is 0, where 1 to 256 may be", "--workers", "0")]
    [InlineData("--parameter-servers needs --workers", "--parameter-servers", "2")]
    [InlineData(
        "--parameter-servers is 257, where 1 to 256 may be", "--workers", "1",
        "--parameter-servers", "257")]
    public void Numbers_that_make_no_sense_are_refused(string message, params string[] options) =>
        CommandRun.Fails(ExitCode.Mistake, message, ["train", _iris, .. options]);

    [Fact]
    public void What_a_cluster_cannot_train_is_refused_with_its_place()
    {
        string ensemble = _scratch.Write(
            "ensemble.conf", Specifications.Moons + "\nensemble { seeds = 3 }");

        CommandRun.Fails(
            ExitCode.Mistake, "ensemble", "train", ensemble, "--workers", "2", "--output",
            _scratch["run"]);
    }

    [Fact]
    public void Data_that_are_missing_are_named()
    {
        string missing = _scratch.Write(
            "missing.conf", Specifications.Iris("softmax-cross-entropy", "nowhere.csv"));

        CommandRun.Fails(
            ExitCode.Failure, "nowhere.csv", "train", missing, "--workers", "2", "--output",
            _scratch["run"]);
    }
}
