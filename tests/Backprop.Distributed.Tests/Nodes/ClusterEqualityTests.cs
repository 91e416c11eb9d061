using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Actors, links and checkpoints together: however many nodes train a run, and whatever
/// becomes of them, it ends in the bits of the single process.</summary>
public sealed class ClusterEqualityTests
{
    [Theory]
    [InlineData(false, 1, 1)]
    [InlineData(false, 2, 3)]
    [InlineData(false, 3, 2)]
    [InlineData(true, 1, 2)]
    [InlineData(true, 3, 3)]
    public async Task Any_number_of_nodes_ends_in_the_same_bits(
        bool overTcp, int servers, int workers)
    {
        await using TestCluster cluster = TestCluster.Of(overTcp, servers, workers);

        await cluster.AssertEndsAsOracleAsync();
    }

    [Fact]
    public async Task A_node_may_have_both_roles()
    {
        await using var cluster = new TestCluster(overTcp: true);
        const NodeRoles both = NodeRoles.ParameterServer | NodeRoles.Worker;
        cluster.Add(cluster.Make("node-1", both), cluster.Make("node-2", both));

        await cluster.AssertEndsAsOracleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Links_that_end_in_the_middle_change_nothing(bool overTcp)
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp, servers: 2, workers: 2, FirstEpochIsJudged);
        await cluster.AwaitHeldAsync();

        cluster.Release();
        cluster["worker-1"].Hub.Close(new NodeId("server-1"), "a test");
        cluster["server-2"].Hub.Close(new NodeId("worker-2"), "a test");
        cluster["server-1"].Hub.Close(new NodeId("server-2"), "a test");

        await cluster.AssertEndsAsOracleAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Workers_that_die_and_join_change_nothing(bool overTcp)
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp, servers: 2, workers: 2, FirstEpochIsJudged);
        await cluster.AwaitHeldAsync();

        cluster.Release();
        cluster.Kill("worker-1");
        cluster.Add(cluster.Make("newcomer", NodeRoles.Worker));

        await cluster.AssertEndsAsOracleAsync();
        Assert.Equal(1, await cluster.SeeAsync(one => one.State.Generation!.Number.Value));
    }

    [Fact]
    public async Task A_worker_that_takes_nothing_holds_nobody_up_for_good()
    {
        await using TestCluster cluster = TestCluster.Of(overTcp: true, servers: 1, workers: 1);
        TestNode mute = cluster.Make("mute", NodeRoles.Worker, isMute: true);
        using RunInbox inbox = mute.Hub.Register(
            RunPart.Replica, RunHash.Of(TestRun.Id.Value), new EverythingGuard(), () => { });
        cluster.Add(mute);

        await cluster.AssertEndsAsOracleAsync();
        Assert.True(inbox.TryTake(out RunArrival arrival));
        arrival.Arrival.Dispose();
    }

    [Fact]
    public async Task A_server_that_dies_takes_the_run_back_to_its_checkpoint()
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp: true, servers: 3, workers: 2, one => !one.State.Checkpoints.IsEmpty);
        await cluster.AwaitHeldAsync();

        cluster.Release();
        cluster.Kill("server-2");

        await cluster.AssertEndsAsOracleAsync();
        Assert.Equal(2, await cluster.SeeAsync(one => one.State.Generation!.Number.Value));
        Assert.IsType<SliceOrigin.Checkpoint>(
            await cluster.SeeAsync(one => one.State.Generation!.Origin));
    }

    [Fact]
    public async Task Nodes_let_go_of_a_run_that_is_over()
    {
        await using TestCluster cluster = TestCluster.Of(overTcp: true, servers: 2, workers: 2);

        await cluster.EndAsync();

        await cluster.AwaitAsync(run =>
            run.Observed.Servers.Count == 2 && run.Observed.Workers.Count == 2
            && run.Observed.Servers.Values.All(status => status.Phase is SlicePhase.Closed)
            && run.Observed.Workers.Values.All(status => status.Phase is WorkerPhase.Closed));
    }

    [Fact]
    public async Task Progress_is_told_while_training_goes_on()
    {
        await using TestCluster cluster = TestCluster.Of(overTcp: false, servers: 2, workers: 1);

        await cluster.AssertEndsAsOracleAsync();

        StepProgress first = (await cluster.ProgressAsync())[0];
        Assert.Equal(1, first.Version);
        Assert.InRange(first.Loss, 0.01, 10);
        Assert.True(first.GradientNorm > 0);
    }

    private static bool FirstEpochIsJudged(RunCoordination run) => run.State.Position.Step > 0;

    private sealed class EverythingGuard : IFrameGuard
    {
        public FrameVerdict Check(in FrameHeader header) => FrameVerdict.Accept;
    }
}
