using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Backprop.Chaos;
using Xunit.Abstractions;

namespace Backprop.EndToEnd;

/// <summary>What a user of the compose file may see happen, from the first command on.</summary>
[Collection(ContainersCollection.Name)]
public sealed class FaultsInContainersTests(
    ContainersFixture containers, ITestOutputHelper output)
{
    private const int Workers = 3;
    private const int MoreWorkers = 6;
    private const int FewerWorkers = 2;
    private const int StepsOfAFault = 60;
    private const int FirstSteps = 200;

    // Undisturbed, the run would take so long; with what happens to it, it takes longer.
    private static readonly TimeSpan s_undisturbed = TimeSpan.FromSeconds(150);
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan s_disconnection = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan s_withoutDatabase = TimeSpan.FromSeconds(20);

    [SkippableFact]
    public async Task A_run_ends_in_the_same_weights_whatever_happens_to_its_containers()
    {
        containers.Require();
        await using var cluster = new ComposeCluster(containers.Engine, "backprop-faults");
        try
        {
            await TrainThroughFaultsAsync(cluster);
        }
        catch
        {
            output.WriteLine(await cluster.LogsAsync());
            throw;
        }
    }

    private async Task TrainThroughFaultsAsync(ComposeCluster cluster)
    {
        await cluster.UpAsync(Workers);
        await cluster.LogInAsync();
        double speed = await StepsASecondAsync(cluster);
        output.WriteLine($"{speed:0} steps a second undisturbed");
        string specification =
            ChaosSpecification.For((int)(s_undisturbed.TotalSeconds * speed / StepsOfAFault));
        string directory = Directory.CreateTempSubdirectory("backprop-end-to-end-").FullName;
        Task<string> expected =
            Task.Run(() => ChaosSpecification.Undisturbed(specification, directory));
        var run = new GoingRun(cluster, await GoingRun.SubmitAsync(cluster, specification));

        await FaultsAsync(cluster, run);

        RunState ended = await run.EndAsync();
        output.WriteLine(string.Join('\n', ended.Happenings));
        Assert.Equal("completed", ended.Standing);
        Assert.Equal(await expected, ended.Weights);
        Directory.Delete(directory, recursive: true);
        await AssertItIsKeptAsync(cluster, run);
    }

    private static async Task FaultsAsync(ComposeCluster cluster, GoingRun run)
    {
        await run.ProgressAsync("the first steps");
        await cluster.UpAsync(MoreWorkers);
        await run.WorkersAsync(MoreWorkers);
        string[] workers = await cluster.RunningAsync("worker");

        await cluster.KillAsync(workers[0]);
        await run.ProgressAsync("a worker was killed");

        await cluster.PauseAsync(workers[1]);
        await Task.Delay(s_pause);
        await run.ProgressAsync("a worker is paused");
        await cluster.UnpauseAsync(workers[1]);

        await cluster.DisconnectAsync(workers[2]);
        await Task.Delay(s_disconnection);
        await run.ProgressAsync("a worker is disconnected");
        await cluster.ConnectAsync(workers[2], "worker");

        await KillTheCoordinatorAsync(cluster, run);

        string database = Assert.Single(await cluster.RunningAsync("postgres"));
        await cluster.KillAsync(database);
        await Task.Delay(s_withoutDatabase);
        await cluster.StartAsync(database);
        await run.ProgressAsync("the database was away");

        await cluster.UpAsync(FewerWorkers);
        await run.WorkersAsync(FewerWorkers);
    }

    private static async Task KillTheCoordinatorAsync(ComposeCluster cluster, GoingRun run)
    {
        string before = await cluster.CoordinatorAsync();
        string container = Assert.Single(await cluster.RunningAsync(before));
        await cluster.KillAsync(container);
        await Patience.ForAsync(
            $"another node than {before} coordinates",
            async () => await cluster.CoordinatorAsync() is var now && now != before ? now : null);
        await run.ProgressAsync("the coordinator was killed");
        await cluster.StartAsync(container);
    }

    // Everything but the volumes goes, and comes back.
    private static async Task AssertItIsKeptAsync(ComposeCluster cluster, GoingRun run)
    {
        JsonElement before = await run.ViewAsync();
        string weights = Convert.ToHexString(SHA256.HashData(await run.ModelAsync()));
        Assert.NotEqual(0, before.GetProperty("history").GetArrayLength());

        await cluster.DownAsync();
        await cluster.UpAsync(Workers);

        JsonElement after = await run.ViewAsync();
        foreach (string part in (string[])["summary", "result", "history"])
        {
            Assert.Equal(before.GetProperty(part).ToString(), after.GetProperty(part).ToString());
        }

        Assert.Equal(weights, Convert.ToHexString(SHA256.HashData(await run.ModelAsync())));
    }

    // So that the run lasts as long on a fast machine as on a slow one. The first steps do not
    // count: code is compiled, and workers are measured.
    private static async Task<double> StepsASecondAsync(ComposeCluster cluster)
    {
        var run = new GoingRun(
            cluster, await GoingRun.SubmitAsync(cluster, ChaosSpecification.For(faults: 8)));
        RunState begun = await run.ProgressAsync("it was handed in", FirstSteps);
        long began = Stopwatch.GetTimestamp();
        RunState ended = await run.EndAsync();
        Assert.Equal("completed", ended.Standing);
        return (ended.Version - begun.Version) / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }
}
