using System.Text.RegularExpressions;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop replay</c>: steps are computed again, and a record that is wrong is found.
/// </summary>
public sealed class ReplayCommandTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();
    private readonly string _moons;

    public ReplayCommandTests() => _moons = _scratch.Write("moons.conf", Specifications.Moons);

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Steps_are_computed_again_from_the_checkpoint_before_them()
    {
        Train();

        string[] lines = CommandRun.Succeeds(
            "replay", _scratch["run"], "--step", "150", "--to", "152", "--threads", "2")
            .Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal($"{_scratch["run"]}: from the checkpoint of version 140", lines[0]);
        Assert.Matches("^150 +0\\.[0-9]+  [0-9a-f]{32}  same$", lines[2]);
        Assert.Matches("^152 ", lines[4]);
        Assert.Equal("3 same, 0 different, 0 not on record", lines[^1]);
    }

    [Fact]
    public void Without_a_checkpoint_before_them_the_first_weights_are_gone_back_to()
    {
        Train();

        string output = CommandRun.Succeeds("replay", _scratch["run"], "--step", "19").Output;

        Assert.Contains(": from the first weights", output);
        Assert.Contains("1 same, 0 different", output);
    }

    [Fact]
    public void A_step_that_differs_from_its_record_is_shown_and_fails()
    {
        Train();
        OverwriteDigest(entry: 146);

        CommandRun replay = CommandRun.Of("replay", _scratch["run"], "--step", "150");

        Assert.Equal(ExitCode.Failure, replay.ExitCode);
        Assert.Matches("145 .*differs\n +0{31}1  was recorded\n150 .* same\n", replay.Output);
    }

    [Fact]
    public void A_checkpoint_that_is_not_the_version_on_record_fails()
    {
        Train();
        OverwriteDigest(entry: 140);

        CommandRun replay = CommandRun.Of("replay", _scratch["run"], "--step", "141");

        Assert.Equal(ExitCode.Failure, replay.ExitCode);
        Assert.Contains("version 140, which it began with, is not the one on", replay.Output);
    }

    [Fact]
    public void What_is_not_on_record_is_computed_and_said_so()
    {
        Train();
        File.Delete(_scratch["run/digests.bin"]);

        string output = CommandRun.Succeeds("replay", _scratch["run"], "--step", "150").Output;

        Assert.Contains("0 same, 0 different, 1 not on record", output);
    }

    [Fact]
    public void A_run_of_an_embedded_cluster_is_replayed_as_well()
    {
        string moons = _scratch.Write(
            "epochs.conf", Specifications.Moons.Replace("every-steps = 20", "every-epochs = 1"));
        CommandRun.Succeeds("train", moons, "--workers", "2", "--output", _scratch["embedded"]);

        Assert.Contains(
            "160 same, 0 different",
            CommandRun.Succeeds(
                "replay", _scratch["embedded"], "--step", "0", "--to", "159").Output);
    }

    [Fact]
    public async Task A_run_of_a_cluster_is_replayed_over_its_api()
    {
        string moons = _scratch.Write(
            "epochs.conf", Specifications.Moons.Replace("every-steps = 20", "every-epochs = 1"));
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        cluster.Run("submit", moons, "--watch");

        CommandRun replay = await AwaitRecord(cluster);

        Assert.Equal((ExitCode.Done, ""), (replay.ExitCode, replay.Error));
        Assert.StartsWith($"moons-1: from the {StartOf(cluster, 140)}\n", replay.Output);
        Assert.Contains("20 same, 0 different, 0 not on record", replay.Output);
        Assert.Contains(
            "from the first weights", cluster.Run("replay", "latest", "--step", "1").Output);
        Assert.Contains(
            "there is no run 'nobody'", cluster.Run("replay", "nobody", "--step", "1").Error);
    }

    [Theory]
    [InlineData("has no step 160: its 160 steps are 0 to 159", "--step", "160")]
    [InlineData("--to is not before --step", "--step", "7", "--to", "6")]
    [InlineData("holds 1 networks", "--step", "7", "--member", "1")]
    [InlineData("'--step' is required")]
    public void Steps_that_there_are_not_are_refused(string message, params string[] options)
    {
        Train();

        CommandRun.Fails(ExitCode.Mistake, message, ["replay", _scratch["run"], .. options]);
    }

    [Fact]
    public void A_directory_without_a_run_is_refused() => CommandRun.Fails(
        ExitCode.Mistake, "is no directory of a run", "replay", _scratch[""], "--step", "1");

    private void Train() =>
        CommandRun.Succeeds("train", _moons, "--output", _scratch["run"]);

    private void OverwriteDigest(int entry)
    {
        using FileStream file = File.OpenWrite(_scratch["run/digests.bin"]);
        file.Position = 16 + (entry * 16);
        file.Write([1, .. new byte[15]]);
    }

    // An epoch that ends while a checkpoint is still being saved has none of its own.
    private static string StartOf(ServedCluster cluster, int step)
    {
        int[] before =
        [
            .. Regex.Matches(cluster.Run("checkpoints", "moons-1").Output, "^[0-9]+ ",
                RegexOptions.Multiline).Select(match => int.Parse(match.Value))
                .Where(version => version <= step),
        ];
        return before.Length == 0 ? "first weights" : $"checkpoint of version {before.Max()}";
    }

    // The last digests are stored a moment after the run is over.
    private static async Task<CommandRun> AwaitRecord(ServedCluster cluster)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        while (true)
        {
            CommandRun replay = cluster.Run("replay", "moons-1", "--step", "140", "--to", "159");
            if (replay.Output.Contains(" 0 not on record"))
            {
                return replay;
            }

            await Task.Delay(50, limit.Token);
        }
    }
}
