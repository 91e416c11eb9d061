using System.Text.Json;
using Backprop.Chaos;

namespace Backprop.EndToEnd;

/// <summary>
/// Keeps a cluster training, seen through its console: when a run is over it is held to the weights
/// that it must end in, and the same is handed in again, so that on a fast machine as on a slow one
/// something is trained for as long as a test has things happen.
/// </summary>
internal sealed class Training(ComposeCluster cluster, string specification, string expected)
{
    private const int Steps = 20;
    private static readonly TimeSpan s_untilItsEnd = TimeSpan.FromMinutes(8);

    private readonly List<RunState> _over = [];
    private string? _run;

    /// <summary>Runs that are over.</summary>
    public IReadOnlyList<RunState> Over => _over;

    /// <summary>Waits until more steps are done than there are now.</summary>
    /// <param name="since">What has happened before.</param>
    public async Task ProgressAsync(string since)
    {
        long before = await StepsAsync();
        await Patience.ForAsync(
            $"{since}: {Steps} steps after {before}",
            async () => await StepsAsync() >= before + Steps ? since : null);
    }

    /// <summary>Waits until so many workers have a part of what is trained.</summary>
    public Task WorkersAsync(int count) => Patience.ForAsync(
        $"{count} workers have a part of the run",
        async () =>
        {
            await StepsAsync();
            return await cluster.Api.ViewAsync(_run!) is { } view
                && view.GetProperty("workers").GetArrayLength() == count ? _run : null;
        });

    /// <summary>Waits until the last run is over.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> EndAsync()
    {
        await StepsAsync();
        Check(await Patience.ForAsync(
            "the run is over",
            async () => await cluster.Api.ShowAsync(_run!) is { IsOver: true } now ? now : null,
            s_untilItsEnd));
        return _run!;
    }

    /// <summary>The steps of all runs together.</summary>
    public async Task<long> StepsAsync()
    {
        _run ??= await SubmitAsync();
        RunState now = await Patience.ForAsync(
            "the console tells of the run", () => cluster.Api.ShowAsync(_run));
        if (now.IsOver)
        {
            Check(now);
            _run = await SubmitAsync();
            now = await Patience.ForAsync(
                "the console tells of the next run", () => cluster.Api.ShowAsync(_run));
        }

        return _over.Sum(run => run.Version) + now.Version;
    }

    /// <summary>What has happened to the run of now, for who looks into a failure.</summary>
    public async Task<string> TellAsync()
    {
        RunState? now = _run is null ? null : await cluster.Api.ShowAsync(_run);
        JsonElement? nodes = await cluster.Api.ClusterAsync();
        return now is null
            ? "the console tells of no run"
            : string.Join(
                '\n',
                [
                    $"{_run}: {now.Standing} at {now.Version}: {now.Reason}", .. now.Happenings,
                    $"{nodes}",
                ]);
    }

    private void Check(RunState run)
    {
        Assert.True(run.Standing == "completed", $"{run.Standing}: {run.Reason}");
        Assert.Equal(expected, run.Weights);
        _over.Add(run);
    }

    private Task<string> SubmitAsync()
    {
        var submission = Guid.NewGuid();
        return Patience.ForAsync(
            "the console takes a run", () => cluster.Api.SubmitAsync(specification, submission));
    }
}
