using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Workers that hold steps up: who is asked, who gets nothing more to do, and until when.
/// </summary>
public sealed class LatenessTests
{
    [Fact]
    public void A_late_worker_that_does_not_answer_gets_nothing_until_it_does()
    {
        ScriptedCluster cluster = InTraining(workers: 2);
        Wait(cluster, step: 0, worker: 1);
        Assert.Contains(cluster.Last.ToWorkers, order => order.To == W(1));
        Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);

        cluster.Tick(1.1);
        Assert.Equal(0, cluster.ToWorkers[W(1)].Assigned.Count);
        Assert.Equal(5, cluster.ToWorkers[W(0)].Assigned.Count);
        Assert.Contains(
            "worker-1 is late", cluster.Journal.OfType<WorkersAssigned>().Last().Reason);

        cluster.Tick(10);
        Assert.Contains(cluster.Last.ToWorkers, order => order.To == W(1));
        Assert.Equal(0, cluster.ToWorkers[W(1)].Assigned.Count);

        cluster.Worker(1);
        Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_late_worker_that_answers_is_only_helped()
    {
        ScriptedCluster cluster = InTraining(workers: 2);
        Wait(cluster, step: 0, worker: 1);
        cluster.Worker(1);
        cluster.Tick(5);
        Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);
        Assert.NotNull(cluster.ToWorkers[W(0)].Speculation);
    }

    [Fact]
    public void One_that_answers_but_is_late_step_after_step_gets_nothing_longer_each_time()
    {
        ScriptedCluster cluster = InTraining(workers: 2);
        BeLateThreeTimes(firstStep: 0);
        cluster.Tick(1);
        cluster.Worker(1);
        Assert.Equal(0, cluster.ToWorkers[W(1)].Assigned.Count);
        cluster.Tick(1.5);
        Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);

        BeLateThreeTimes(firstStep: 10);
        cluster.Worker(1);
        cluster.Tick(2.5);
        Assert.Equal(0, cluster.ToWorkers[W(1)].Assigned.Count);
        cluster.Tick(2.5);
        Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);

        void BeLateThreeTimes(int firstStep)
        {
            for (int i = 0; i < Lateness.MaxSteps; i++)
            {
                Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);
                Wait(cluster, firstStep + i, worker: 1);
                cluster.Worker(1);
            }
        }
    }

    [Fact]
    public void Nobody_is_left_out_where_too_few_would_remain()
    {
        ScriptedCluster cluster = InTraining(workers: 2, options: new() { MinWorkers = 2 });
        Wait(cluster, step: 0, worker: 1);
        cluster.Tick(5);
        Assert.NotEqual(0, cluster.ToWorkers[W(1)].Assigned.Count);
        Assert.Contains("waiting for worker-1: micro-batches", cluster.Last.Reason);
        Assert.Empty(cluster.Journal.OfType<RunPaused>());
    }

    [Fact]
    public void Shares_follow_speeds_within_an_epoch_but_not_often()
    {
        ScriptedCluster cluster = InTraining(workers: 2);
        cluster.Worker(0, status => status with { SecondsPerMicroBatch = 1 });
        cluster.Worker(1, status => status with { SecondsPerMicroBatch = 4 });
        Assert.NotEqual(4, cluster.ToWorkers[W(0)].Assigned.Count);
        cluster.Tick(21);
        Assert.Equal(4, cluster.ToWorkers[W(0)].Assigned.Count);

        cluster.Worker(0, status => status with { SecondsPerMicroBatch = 4 });
        cluster.Worker(1, status => status with { SecondsPerMicroBatch = 1 });
        cluster.Tick(5);
        Assert.Equal(4, cluster.ToWorkers[W(0)].Assigned.Count);
        cluster.Tick(16);
        Assert.Equal(1, cluster.ToWorkers[W(0)].Assigned.Count);
        cluster.AssertReplays();
    }

    [Theory]
    [InlineData(0, 2, false)]
    [InlineData(1, 3, true)]
    [InlineData(3, 4, true)]
    [InlineData(4, 8, false)]
    [InlineData(4, 9, true)]
    [InlineData(9, 20, true)]
    [InlineData(10, 12, false)]
    [InlineData(12, 12, false)]
    public void A_wait_says_whose_micro_batches_are_missing(int first, int end, bool isLacking)
    {
        var wait = new SliceWait(0, [new(2, 4), new(8, 10), new(12, 13)], [], TimeSpan.Zero);
        Assert.Equal(isLacking, wait.Lacks(new MicroBatchRange(first, end)));
        Assert.False((wait with { Missing = default }).Lacks(new MicroBatchRange(first, end)));
    }

    private static void Wait(ScriptedCluster cluster, long step, int worker) =>
        cluster.Server(0, status => status with
        {
            Wait = new SliceWait(
                step, [cluster.State.Open!.RangeOf(W(worker))], [], TimeSpan.FromSeconds(1)),
        });
}
