using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;
using Backprop.Faults.Torch;

namespace Backprop.Faults.Lines;

/// <summary>A worker's process is killed: when does training go on? It is started again once it
/// has, as a machine's would be later, and has to find its place again.</summary>
internal static class WorkerKills
{
    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        given.Report.Head("a worker of two is killed (SIGKILL)");
        var ours = new Samples();
        var returns = new Samples();
        using (TrainingCluster cluster = await TrainingCluster.StartAsync(given, workers: 2))
        {
            for (int i = 0; i < given.Repeats; i++)
            {
                int worker = TrainingCluster.FirstWorker + (i % 2);
                ours.Add(await cluster.NewStepAsync(cluster.Kill(worker)));
                long started = cluster.Start(worker);
                returns.Add(Clock.Seconds(
                    started, await cluster.ContributionAsync(worker, started)));
                await cluster.SettleAsync();
            }
        }

        given.Report.Add("to the next step", ours, "s", "p50 1, p99 3");
        given.Report.Add("started again: to its first contribution", returns, "s");
        foreach (TorchTuning tuning in given.HasPeer ? TorchTuning.All : [])
        {
            await MeasureAsync(given, tuning);
        }
    }

    private static async Task MeasureAsync(Measurement given, TorchTuning tuning)
    {
        var restarts = new Samples();
        var steps = new Samples();
        using TorchJob job = await TorchJob.StartAsync(tuning);
        for (int i = 0; i < given.Repeats; i++)
        {
            long at = job.KillWorker(i % 2);
            restarts.Add(await job.RestartedAsync(at));
            steps.Add(await job.NewStepAsync(at));
            await job.SettleAsync();
        }

        given.Report.Add($"torchrun, {tuning.Name}: to a step", restarts, "s");
        given.Report.Add($"torchrun, {tuning.Name}: to a step that is new", steps, "s");
    }
}
