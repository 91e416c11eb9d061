using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;
using Backprop.Faults.Torch;

namespace Backprop.Faults.Lines;

/// <summary>A second worker comes: when does it contribute, and what does the first one lose?
/// Afterwards it leaves, and comes again.</summary>
internal static class Joins
{
    private static readonly TimeSpan s_mostForJoin = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_calm = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan s_afterwards = TimeSpan.FromSeconds(1);

    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        given.Report.Head("a second worker joins");
        var sinceStart = new Samples();
        var sinceJoined = new Samples();
        var longest = new Samples();
        using (TrainingCluster cluster = await TrainingCluster.StartAsync(
            given, workers: 2, absent: 1))
        {
            for (int i = 0; i < given.Repeats; i++)
            {
                await MeasureAsync(cluster, sinceStart, sinceJoined, longest);
            }
        }

        given.Report.Add("member of the cluster to first contribution", sinceJoined, "s", "1");
        given.Report.Add("process started to first contribution", sinceStart, "s");
        given.Report.Add("longest step from joining on, by the median", longest, "steps", "2");
        foreach (TorchTuning tuning in given.HasPeer ? TorchTuning.All : [])
        {
            await MeasureAsync(given, tuning);
        }
    }

    private static async Task MeasureAsync(
        TrainingCluster cluster, Samples sinceStart, Samples sinceJoined, Samples longest)
    {
        int worker = TrainingCluster.FirstWorker + 1;
        int joins = cluster.JoinsOf(worker);
        long started = cluster.Start(worker);
        double step = cluster.Steps.MedianStep(Clock.After(started, -s_calm), started);
        await cluster.UntilAsync(
            () => cluster.JoinsOf(worker) > joins, s_mostForJoin, "it does not join");
        long joined = Clock.Now;
        long contributed = await cluster.ContributionAsync(worker, started);
        await cluster.WatchAsync(s_afterwards);
        sinceStart.Add(Clock.Seconds(started, contributed));
        sinceJoined.Add(Clock.Seconds(joined, contributed));
        longest.Add(
            cluster.Steps.LongestStep(joined, Clock.After(contributed, s_afterwards)) / step);
        await cluster.LeaveAsync(worker);
        await cluster.WatchAsync(s_calm);
    }

    private static async Task MeasureAsync(Measurement given, TorchTuning tuning)
    {
        var joins = new Samples();
        var longest = new Samples();
        for (int i = 0; i < Math.Max(1, given.Repeats / 4); i++)
        {
            using TorchJob job = await TorchJob.StartElasticAsync(tuning, agents: 1);
            long started = job.StartAgent();
            double step = job.Steps.MedianStep(Clock.After(started, -s_calm), started);
            await job.UntilAsync(
                () => job.Ranked[^1].World > 1, s_mostForJoin, "the second rank does not train");
            long joined = job.Ranked.First(ranked => ranked.World > 1).At;
            joins.Add(Clock.Seconds(started, joined));
            longest.Add(job.Steps.LongestStep(started, joined) / step);
        }

        given.Report.Add(
            $"torchrun, {tuning.Name}: agent started to both training", joins, "s");
        given.Report.Add($"torchrun, {tuning.Name}: longest step, by the median", longest, "steps");
    }
}
