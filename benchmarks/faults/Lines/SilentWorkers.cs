using Backprop.Chaos.Schedules;
using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;

namespace Backprop.Faults.Lines;

/// <summary>A worker's process stands still, or nothing gets to it or from it any more, and nobody
/// is told: when does training go on? Afterwards it is replaced, since whoever was silent is
/// trusted less and less.</summary>
internal static class SilentWorkers
{
    private static readonly TimeSpan s_forLong = TimeSpan.FromMinutes(10);

    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        given.Report.Head("a worker of two falls silent");
        Samples stopped = await MeasureAsync(
            given, hasProxies: false, worker => new Fault.Stop(worker, s_forLong));
        given.Report.Add("stopped (SIGSTOP): to the next step", stopped, "s", "p99 5");
        Samples isolated = await MeasureAsync(
            given, hasProxies: true, worker => new Fault.Isolate(worker, s_forLong));
        given.Report.Add("in a black hole: to the next step", isolated, "s", "p99 5");
    }

    private static async Task<Samples> MeasureAsync(
        Measurement given, bool hasProxies, Func<int, Fault> faultOf)
    {
        var samples = new Samples();
        using TrainingCluster cluster = await TrainingCluster.StartAsync(
            given, workers: 2, hasProxies);
        for (int i = 0; i < given.Repeats; i++)
        {
            int worker = TrainingCluster.FirstWorker + (i % 2);
            samples.Add(await cluster.NewStepAsync(cluster.Do(faultOf(worker))));
            cluster.Heal();
            cluster.Kill(worker);
            await cluster.SettleAsync();
        }

        return samples;
    }
}
