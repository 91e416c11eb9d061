using Backprop.Chaos;
using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;
using Backprop.Faults.Torch;

namespace Backprop.Faults.Lines;

/// <summary>The coordinator's process is killed and started again at once, as whoever looks after a
/// machine does. Training is to go on meanwhile; how much longer steps are is held against as much
/// time without a fault, and they are longer where all share the cores that a process starts on.
/// The kill comes early in an epoch, since training waits at its end for the coordinator, and steps
/// are of so few samples that an epoch takes longer than a failover.</summary>
internal static class CoordinatorKills
{
    private const int Batch = 64;
    private const int EarliestStep = 10;
    private const int LatestStep = 40;
    private static readonly TimeSpan s_mostForTurn = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_mostForEnd = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_calm = TimeSpan.FromSeconds(4);

    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        given.Report.Head("the coordinator is killed, and started again at once");
        var failovers = new Samples();
        var longest = new Samples();
        var calm = new Samples();
        using (TrainingCluster cluster = await TrainingCluster.StartAsync(
            given, workers: 2, batch: Batch))
        {
            for (int i = 0; i < given.Repeats; i++)
            {
                await cluster.UntilAsync(
                    () => cluster.Steps.Last?.Version % RunFile.StepsPerEpoch(Batch) is
                        >= EarliestStep and <= LatestStep,
                    s_mostForTurn, "no epoch begins");
                long at = cluster.Kill(TrainingCluster.Coordinator);
                cluster.Start(TrainingCluster.Coordinator);
                long followed = await FollowedAsync(cluster);
                long before = Clock.After(at, -s_calm);
                double step = cluster.Steps.MedianStep(before, at);
                failovers.Add(Clock.Seconds(at, followed));
                longest.Add(cluster.Steps.LongestStep(at, followed) / step);
                calm.Add(cluster.Steps.LongestStep(before, at) / step);
                await cluster.SettleAsync();
                await cluster.WatchAsync(s_calm);
            }
        }

        given.Report.Add("the new one hears of steps", failovers, "s", "5");
        given.Report.Add("longest step meanwhile, by the median one", longest, "steps", "2");
        given.Report.Add("longest step in 4 s before", calm, "steps");
        if (given.HasPeer)
        {
            await ConfirmEndAsync(given);
        }
    }

    private static async Task<long> FollowedAsync(TrainingCluster cluster)
    {
        long end = Clock.After(Clock.Now, s_mostForTurn);
        while (Clock.Now < end)
        {
            await cluster.WatchAsync(TimeSpan.FromMilliseconds(10));
            if (await cluster.ShowAsync() is { Standing: "training", IsFollowed: true })
            {
                return Clock.Now;
            }
        }

        throw new TimeoutException("no coordinator follows the run");
    }

    // Two agents, as on two machines; that of the rendezvous dies with its rank.
    private static async Task ConfirmEndAsync(Measurement given)
    {
        using TorchJob job = await TorchJob.StartElasticAsync(TorchTuning.Tuned, agents: 2);
        long at = job.KillAgent(0);
        long newest = job.Steps.NewestAt(at);
        await job.UntilAsync(
            () => job.ExitCodeOf(1) is not null, s_mostForEnd, "the other agent does not end");
        double seconds = Clock.Seconds(at, Clock.Now);
        given.Report.Say(
            $"torchrun, tuned: its rendezvous' host dies: the other agent ends with code"
            + $" {job.ExitCodeOf(1)}");
        given.Report.Add("  after", seconds, "s");
        given.Report.Add("  new steps since", job.Steps.NewestAt(Clock.Now) - newest, "steps");
    }
}
