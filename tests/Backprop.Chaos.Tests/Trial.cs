namespace Backprop.Chaos.Tests;

/// <summary>What tests of one run on one cluster of processes do alike.</summary>
internal static class Trial
{
    /// <summary>As long as a run is that has a fault or two to outlive.</summary>
    public const int Length = 30;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(4);

    /// <summary>Waits for all nodes of a cluster, hands a run in, and sees its first step.
    /// </summary>
    public static async Task<(string Run, RunState State)> BeginAsync(
        ChaosCluster cluster, int leastWorkers = 1, int length = Length)
    {
        string? run = null;
        await AwaitNodesAsync(cluster);
        await UntilAsync(
            async () => (run ??= await cluster.Api.SubmitAsync(
                ChaosSpecification.For(length, leastWorkers))) is not null,
            "nobody takes the run");
        return (run!, await SeeAsync(cluster, run!, state => state.Version > 0));
    }

    /// <summary>Waits until all nodes are in the cluster.</summary>
    public static Task AwaitNodesAsync(ChaosCluster cluster) => UntilAsync(
        async () => await cluster.Api.CountNodesAsync() == cluster.Nodes.Length,
        "the cluster is not complete");

    /// <summary>Waits until a run is as wished.</summary>
    /// <exception cref="InvalidOperationException">It is over, and is not.</exception>
    public static async Task<RunState> SeeAsync(
        ChaosCluster cluster, string run, Func<RunState, bool> holds)
    {
        RunState? seen = null;
        await UntilAsync(
            async () => (seen = await cluster.Api.ShowAsync(run) ?? seen) is { } state
                && (holds(state) || state.IsOver),
            "the run does not get there");
        return holds(seen!)
            ? seen!
            : throw new InvalidOperationException(
                $"the run is over: {string.Join('\n', seen!.Happenings)}");
    }

    /// <summary>Waits, with a bound.</summary>
    /// <exception cref="TimeoutException">The time is up.</exception>
    public static async Task UntilAsync(Func<Task<bool>> holds, string otherwise)
    {
        using var limit = new CancellationTokenSource(s_patience);
        while (!await holds())
        {
            if (limit.IsCancellationRequested)
            {
                throw new TimeoutException(otherwise);
            }

            await Task.Delay(50);
        }
    }
}
