using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;
using Backprop.Faults.Torch;

namespace Backprop.Faults.Lines;

/// <summary>New steps in a time in which processes are killed, by those of a time in which none is.
/// Whoever was killed is started again at once. The undisturbed time is half before and half after,
/// since a machine's speed changes.</summary>
internal static class Goodput
{
    private const double CalmShare = 0.1;

    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        PlannedKill[] kills =
            [.. PlannedKill.Of(given.Seed, TimeSpan.FromMinutes(given.Minutes))];
        given.Report.Head(
            $"goodput: {kills.Length} kills in {given.Minutes:0.#} minutes, one a minute on"
            + " average, by an undisturbed run");
        using (TrainingCluster cluster = await TrainingCluster.StartAsync(given, workers: 2))
        {
            await MeasureAsync(
                given, "of workers", "95 %", cluster, kills, draw => KillWorker(cluster, draw));
        }

        using (TrainingCluster cluster = await TrainingCluster.StartAsync(given, workers: 2))
        {
            await MeasureAsync(
                given, "of any process", "", cluster, kills, draw => KillAny(cluster, draw));
        }

        foreach (TorchTuning tuning in given.HasPeer ? TorchTuning.All : [])
        {
            using TorchJob job = await TorchJob.StartAsync(tuning);
            await MeasureAsync(
                given, $"torchrun, {tuning.Name}, of ranks", "", job, kills,
                draw => job.KillWorker((int)(draw * 2)));
        }
    }

    private static async Task MeasureAsync(
        Measurement given, string what, string goal, WatchedRun training, PlannedKill[] kills,
        Action<double> kill)
    {
        TimeSpan length = TimeSpan.FromMinutes(given.Minutes);
        double before = await RateAsync(training, CalmShare * length);
        long began = Clock.Now;
        long first = training.Steps.NewestAt(began);
        foreach (PlannedKill planned in kills)
        {
            await training.WatchAsync(
                planned.After - TimeSpan.FromSeconds(Clock.Seconds(began, Clock.Now)));
            kill(planned.Draw);
        }

        await training.WatchAsync(
            length - TimeSpan.FromSeconds(Clock.Seconds(began, Clock.Now)));
        long now = Clock.Now;
        double rate = (training.Steps.NewestAt(now) - first) / Clock.Seconds(began, now);
        await training.SettleAsync();
        double after = await RateAsync(training, CalmShare * length);
        double calm = (before + after) / 2;
        given.Report.Add($"{what}: steps a second", rate, "");
        given.Report.Add($"{what}: undisturbed", calm, "");
        given.Report.Add($"{what}: goodput", 100 * rate / calm, "%", goal);
    }

    private static async Task<double> RateAsync(WatchedRun training, TimeSpan time)
    {
        long began = Clock.Now;
        long first = training.Steps.NewestAt(began);
        await training.WatchAsync(time);
        long now = Clock.Now;
        return (training.Steps.NewestAt(now) - first) / Clock.Seconds(began, now);
    }

    private static void KillWorker(TrainingCluster cluster, double draw)
    {
        cluster.KillWorker((int)(draw * cluster.Workers));
        cluster.StartAll();
    }

    private static void KillAny(TrainingCluster cluster, double draw)
    {
        cluster.Kill((int)(draw * cluster.Nodes));
        cluster.StartAll();
    }
}
