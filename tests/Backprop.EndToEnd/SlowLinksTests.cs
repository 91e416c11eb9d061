using System.Diagnostics;
using Backprop.Chaos;
using Backprop.Chaos.Schedules;
using Xunit.Abstractions;

namespace Backprop.EndToEnd;

/// <summary>Links that are slower or longer than those of one machine: a run takes longer, and ends
/// in the same weights. What a step then takes is written down beside what bytes and distance come
/// to; benchmarks/README.md has the figures.</summary>
[Collection(ContainersCollection.Name)]
public sealed class SlowLinksTests(
    ContainersFixture containers, ITestOutputHelper output)
{
    private const int Servers = 2;
    private const int Workers = 2;
    private const int Steps = 40;
    private const double BitsASecond = 100e6;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    // Its gradients and weights take longer on such links than computing them.
    private const string Wide = """
        name = wide
        seed = 3
        data { train { generated { moons { samples = 640, noise = 0.1, seed = 1 } } } }
        model = [
          { dense { units = 1000, activation = relu } }
          { dense { units = 1000, activation = relu } }
          { dense { units = 2 } }
        ]
        loss = softmax-cross-entropy
        optimizer { sgd { learning-rate = 0.01 } }
        batch-size = 16, micro-batches = 8, epochs = 3
        """;

    [SkippableFact]
    public async Task A_run_over_links_of_100_Mbit_a_second_ends_in_the_same_weights()
    {
        containers.Require();
        await using var cluster = new ComposeCluster(containers.Engine, "backprop-slow");
        await cluster.UpAsync(Workers);
        await cluster.LogInAsync();
        foreach (string service in (string[])["worker", "parameter-server"])
        {
            foreach (string container in await cluster.RunningAsync(service))
            {
                await cluster.ShapeAsync(container, "100mbit");
            }
        }

        var training = new Training(cluster, Wide, await ExpectedAsync(Wide));
        double seconds = await SecondsOfAStepAsync(
            async () => await training.StepsAsync());
        string run = await training.EndAsync();

        long parameters =
            (await cluster.ViewAsync(run)).GetProperty("parameters").GetInt64();
        double bytes = sizeof(float) * parameters;
        output.WriteLine(
            $"100 Mbit/s: a step takes {seconds * 1e3:0} ms; {bytes / 1e6:0.00} MB of weights or"
            + $" gradients one way take {bytes * 8 / BitsASecond * 1e3:0} ms");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(20)]
    public async Task A_run_over_links_of_some_length_ends_in_the_same_weights(int milliseconds)
    {
        var delay = TimeSpan.FromMilliseconds(milliseconds);
        string specification = ChaosSpecification.For(faults: 1);
        using var directory = new TemporaryDirectory();
        using var cluster = new ChaosCluster(
            directory.Path,
            new Schedule(
                Seed: 1, Servers, Workers,
                [.. Enumerable.Repeat("", 1 + Servers + Workers)], []),
            new ChaosOptions { Delay = delay, Silence = null });
        cluster.StartAll();
        string id = await Patience.ForAsync(
            "the coordinator takes a run", () => cluster.Api.SubmitAsync(specification));
        double seconds = await SecondsOfAStepAsync(
            async () => (await cluster.Api.ShowAsync(id))?.Version);
        RunState ended = await Patience.ForAsync(
            "the run is over",
            async () => await cluster.Api.ShowAsync(id) is { IsOver: true } now ? now : null,
            s_patience);

        Assert.Equal("completed", ended.Standing);
        Assert.Equal(await ExpectedAsync(specification), ended.Weights);
        output.WriteLine(
            $"{milliseconds} ms: a step takes {seconds * 1e3:0.0} ms; gradients up, sums between"
            + $" the servers and weights down are {3 * milliseconds} ms under way");
    }

    private static async Task<string> ExpectedAsync(string specification)
    {
        using var directory = new TemporaryDirectory();
        return await Task.Run(
            () => ChaosSpecification.Undisturbed(specification, directory.Path));
    }

    // Of steps in the middle of a run: the first ones also measure how fast workers are.
    private static async Task<double> SecondsOfAStepAsync(Func<Task<long?>> version)
    {
        (long from, long began) = await WhenAsync(version, Steps);
        (long to, long ended) = await WhenAsync(version, from + Steps);
        return Stopwatch.GetElapsedTime(began, ended).TotalSeconds / (to - from);
    }

    private static async Task<(long Version, long At)> WhenAsync(
        Func<Task<long?>> version, long least)
    {
        var seen = await Patience.ForAsync(
            $"step {least}",
            async () => await version() is { } now && now >= least
                ? new { Version = now, At = Stopwatch.GetTimestamp() }
                : null,
            s_patience);
        return (seen.Version, seen.At);
    }
}
