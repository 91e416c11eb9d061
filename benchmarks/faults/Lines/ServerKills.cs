using Backprop.Faults.Clusters;
using Backprop.Faults.Measuring;

namespace Backprop.Faults.Lines;

/// <summary>A parameter server's process is killed, and with it state that the other one has at
/// most a copy of: the run goes back to that, or to its last checkpoint. When is a step done that
/// had not been seen before?</summary>
internal static class ServerKills
{
    /// <summary>Measures it.</summary>
    public static async Task MeasureAsync(Measurement given)
    {
        given.Report.Head(
            $"a parameter server of two is killed; a checkpoint every"
            + $" {TrainingCluster.CheckpointInterval.TotalSeconds} s");
        var later = new Samples();
        var atOnce = new Samples();
        using (TrainingCluster cluster = await TrainingCluster.StartAsync(given, workers: 2))
        {
            for (int i = 0; i < given.Repeats; i++)
            {
                int server = 1 + (i / 2 % TrainingCluster.Servers);
                long at = cluster.Kill(server);
                if (i % 2 == 0)
                {
                    cluster.Start(server);
                }

                (i % 2 == 0 ? atOnce : later).Add(await cluster.NewStepAsync(at));
                await cluster.SettleAsync();
            }
        }

        given.Report.Add("started again at once: to a new step", atOnce, "s", "5");
        given.Report.Add("started again afterwards: to a new step", later, "s", "5");
    }
}
