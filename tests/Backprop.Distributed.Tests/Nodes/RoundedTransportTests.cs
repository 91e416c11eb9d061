using Backprop.Distributed.Nodes;
using Backprop.Training;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Runs whose gradients travel as bf16. They are inexact, and no more so than is said.
/// </summary>
public sealed class RoundedTransportTests
{
    private static readonly RunSetup Rounded =
        TestRun.SetupOf(TestRun.Specification + "\ntransport { gradients = bf16 }");

    // One worker rounds one sum, so there is nothing that could differ.
    [Fact]
    public async Task One_worker_comes_to_the_same_bits_over_any_links_and_other_than_exact_ones()
    {
        await using TestCluster inMemory = TestCluster.Of(
            overTcp: false, servers: 1, workers: 1, setup: Rounded);
        await using TestCluster overTcp = TestCluster.Of(
            overTcp: true, servers: 3, workers: 1, setup: Rounded);

        string state = await inMemory.EndingStateAsync();

        Assert.Equal(state, await overTcp.EndingStateAsync());
        Assert.NotEqual(TestRun.Oracle.StateSha256, state);
    }

    [Fact]
    public async Task A_lost_server_takes_the_run_back_and_other_bits_are_no_reason_to_fail()
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp: false, servers: 2, workers: 3, one => !one.State.Checkpoints.IsEmpty,
            setup: Rounded);
        await cluster.AwaitHeldAsync();

        cluster.Release();
        cluster.Kill("server-2");

        await cluster.EndAsync();
        Assert.Equal(2, await cluster.SeeAsync(one => one.State.Generation!.Number.Value));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Several_workers_learn_as_well_as_one_process(bool overTcp)
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp, servers: 2, workers: 3, setup: Rounded);

        await cluster.EndAsync();

        EpochReport expected = TestRun.Oracle.History[^1];
        EpochReport last = await cluster.SeeAsync(one => one.State.Position.History[^1]);
        Assert.Equal(expected.StepsDone, last.StepsDone);
        Assert.InRange(
            last.TrainingLoss, 0.8 * expected.TrainingLoss, 1.2 * expected.TrainingLoss);
        Assert.InRange(
            last.Validation!.Loss, 0.8 * expected.Validation!.Loss,
            1.2 * expected.Validation.Loss);
    }
}
