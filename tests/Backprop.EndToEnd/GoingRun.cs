using System.Text.Json;
using Backprop.Chaos;

namespace Backprop.EndToEnd;

/// <summary>A run that a cluster trains, seen through its console.</summary>
internal sealed class GoingRun(ComposeCluster cluster, string id)
{
    private const int Steps = 20;
    private static readonly TimeSpan s_untilItsEnd = TimeSpan.FromMinutes(8);

    /// <summary>Hands a run in.</summary>
    /// <returns>Its name.</returns>
    public static Task<string> SubmitAsync(ComposeCluster cluster, string specification)
    {
        var submission = Guid.NewGuid();
        return Patience.ForAsync(
            "the console takes a run", () => cluster.Api.SubmitAsync(specification, submission));
    }

    /// <summary>Waits for more steps: it must train, and not be over.</summary>
    /// <param name="since">What has happened before.</param>
    /// <param name="steps">How many.</param>
    public async Task<RunState> ProgressAsync(string since, int steps = Steps)
    {
        RunState before = await ShowAsync();
        Assert.False(before.IsOver, $"{since}, and the run was over before: {before.Reason}");
        return await Patience.ForAsync(
            $"{since}: {steps} steps after step {before.Version}",
            async () => await cluster.Api.ShowAsync(id) is { } now
                && now.Version >= before.Version + steps ? now : null);
    }

    /// <summary>Waits until so many workers have a part of it, while it trains.</summary>
    public async Task WorkersAsync(int count)
    {
        RunState now = await ShowAsync();
        Assert.False(now.IsOver, $"the run was over before it had {count} workers");
        await Patience.ForAsync(
            $"{count} workers have a part of it",
            async () => await cluster.Api.ViewAsync(id) is { } view
                && view.GetProperty("workers").GetArrayLength() == count ? id : null);
    }

    /// <summary>Waits until it is over.</summary>
    public Task<RunState> EndAsync() => Patience.ForAsync(
        "the run is over",
        async () => await cluster.Api.ShowAsync(id) is { IsOver: true } now ? now : null,
        s_untilItsEnd);

    /// <summary>All that is told of it.</summary>
    public async Task<JsonElement> ViewAsync() => JsonSerializer.Deserialize<JsonElement>(
        await Patience.ForAsync(
            "the console tells of the run",
            async () => (await cluster.Api.ViewAsync(id))?.ToString()));

    /// <summary>The file of the network that it has trained.</summary>
    public Task<byte[]> ModelAsync() => Patience.ForAsync(
        "the console has the run's network", () => cluster.Api.ModelAsync(id));

    /// <summary>What it is at.</summary>
    public Task<RunState> ShowAsync() =>
        Patience.ForAsync("the console tells of the run", () => cluster.Api.ShowAsync(id));
}
