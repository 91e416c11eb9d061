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

    // Makes a run long, in the terms of schedules.
    private const int Length = 40;

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan s_disconnection = TimeSpan.FromSeconds(12);
    private static readonly TimeSpan s_withoutDatabase = TimeSpan.FromSeconds(20);

    [SkippableFact]
    public async Task Runs_end_in_the_same_weights_whatever_happens_to_their_containers()
    {
        containers.Require();
        string specification = ChaosSpecification.For(Length);
        using var directory = new TemporaryDirectory();
        Task<string> expected =
            Task.Run(() => ChaosSpecification.Undisturbed(specification, directory.Path));
        await using var cluster = new ComposeCluster(containers.Engine, "backprop-faults");
        await cluster.UpAsync(Workers);
        await cluster.LogInAsync();
        var training = new Training(cluster, specification, await expected);
        try
        {
            await FaultsAsync(cluster, training);
            string run = await training.EndAsync();
            output.WriteLine($"{training.Over.Count} runs, all with {await expected}");
            await AssertItIsKeptAsync(cluster, run);
        }
        catch (Exception failure)
        {
            output.WriteLine(await cluster.LogsAsync());
            output.WriteLine(await training.TellAsync());
            output.WriteLine($"{failure.Message} ({DateTimeOffset.UtcNow:HH:mm:ss})");
            throw;
        }
    }

    private static async Task FaultsAsync(ComposeCluster cluster, Training training)
    {
        await training.ProgressAsync("nothing has happened");
        await cluster.UpAsync(MoreWorkers);
        await training.WorkersAsync(MoreWorkers);
        string[] workers = await cluster.RunningAsync("worker");

        await cluster.KillAsync(workers[0]);
        await training.ProgressAsync("a worker was killed");

        await cluster.PauseAsync(workers[1]);
        await Task.Delay(s_pause);
        await training.ProgressAsync("a worker is paused");
        await cluster.UnpauseAsync(workers[1]);

        await cluster.DisconnectAsync(workers[2]);
        await Task.Delay(s_disconnection);
        await training.ProgressAsync("a worker is disconnected");
        await cluster.ConnectAsync(workers[2], "worker");

        await KillTheCoordinatorAsync(cluster, training);

        string database = Assert.Single(await cluster.RunningAsync("postgres"));
        await cluster.KillAsync(database);
        await Task.Delay(s_withoutDatabase);
        await cluster.StartAsync(database);
        await training.ProgressAsync("the database was away");

        await cluster.UpAsync(FewerWorkers);
        await training.WorkersAsync(FewerWorkers);
    }

    private static async Task KillTheCoordinatorAsync(ComposeCluster cluster, Training training)
    {
        string before = await cluster.CoordinatorAsync();
        string container = Assert.Single(await cluster.RunningAsync(before));
        await cluster.KillAsync(container);
        await Patience.ForAsync(
            $"another node than {before} coordinates",
            async () => await cluster.CoordinatorAsync() is var now && now != before ? now : null);
        await training.ProgressAsync("the coordinator was killed");
        await cluster.StartAsync(container);
    }

    // Everything but the volumes goes, and comes back.
    private static async Task AssertItIsKeptAsync(ComposeCluster cluster, string run)
    {
        JsonElement before = await cluster.ViewAsync(run);
        string weights = await WeightsAsync(cluster, run);
        Assert.NotEqual(0, before.GetProperty("history").GetArrayLength());

        await cluster.DownAsync();
        await cluster.UpAsync(Workers);

        JsonElement after = await cluster.ViewAsync(run);
        foreach (string part in (string[])["summary", "result", "history"])
        {
            Assert.Equal(before.GetProperty(part).ToString(), after.GetProperty(part).ToString());
        }

        Assert.Equal(weights, await WeightsAsync(cluster, run));
    }

    private static async Task<string> WeightsAsync(ComposeCluster cluster, string run) =>
        Convert.ToHexString(SHA256.HashData(await Patience.ForAsync(
            "the console has the run's network", () => cluster.Api.ModelAsync(run))));
}
