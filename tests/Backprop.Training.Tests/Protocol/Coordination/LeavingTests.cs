using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Parameter servers that say before that they leave: their slices are saved first.
/// </summary>
public sealed class LeavingTests
{
    [Fact]
    public void A_run_is_saved_where_it_is_and_goes_on_without_the_server()
    {
        ScriptedCluster cluster = InTraining(servers: 2);
        Leave(cluster, leaving: S(1), S(0), S(1));
        Assert.Equal(HaltCause.Leave, Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);
        cluster.AllServers(status => status with { Version = 2 });
        cluster.AllServers(status => status with { Version = 2 });
        Assert.Equal(2, cluster.ToServers[S(1)].CheckpointVersion);
        Assert.Equal([S(0), S(1)], cluster.State.Open!.Servers.ToArray());

        cluster.SaveAll(epochLossSum: 7);
        RunGeneration next = cluster.State.Open!;
        Assert.Equal([S(0)], next.Servers.ToArray());
        Assert.Equal(new SliceOrigin.Checkpoint(2, null, 7), next.Origin);
        Assert.Contains(
            "server-1 leaves; the run is saved at version 2",
            cluster.Journal.OfType<GenerationEnded>().Last().Reason);
        cluster.AssertReplays();

        cluster.OpenAll();
        Assert.Equal(3, Assert.IsType<RunPhase.Training>(cluster.Phase).Lease.EndVersion);
    }

    [Fact]
    public void A_run_whose_last_server_leaves_waits_for_another()
    {
        ScriptedCluster cluster = InTraining(servers: 1);
        Leave(cluster, leaving: S(0), S(0));
        cluster.AllServers(status => status with { Version = 1 });
        cluster.AllServers(status => status with { Version = 1 });
        cluster.SaveAll();
        Assert.IsType<RunPhase.Queued>(cluster.Phase);

        cluster.Nodes([S(2)], [W(0), W(1)]);
        Assert.Equal(1, cluster.State.Open!.Origin.Version);
        cluster.AssertReplays();
    }

    [Fact]
    public void At_an_epochs_end_it_is_judged_first()
    {
        ScriptedCluster cluster = InTraining(servers: 2);
        cluster.Reach(3);
        Leave(cluster, leaving: S(1), S(0), S(1));
        cluster.EvaluateAll();
        Assert.IsType<RunPhase.Checkpointing>(cluster.Phase);
        cluster.SaveAll();
        Assert.Equal(3, cluster.State.Open!.Origin.Version);
        Assert.Single(cluster.State.Position.History);
        cluster.AssertReplays();
    }

    [Fact]
    public void One_that_goes_before_it_is_saved_is_lost_like_any_other()
    {
        ScriptedCluster cluster = InTraining(servers: 2);
        Leave(cluster, leaving: S(1), S(0), S(1));
        cluster.Nodes([S(0)], [W(0), W(1)]);
        Assert.Equal([S(0)], cluster.State.Open!.Servers.ToArray());
        Assert.Equal(0, cluster.State.Open.Origin.Version);
        cluster.AssertReplays();
    }

    private static void Leave(ScriptedCluster cluster, NodeId leaving, params NodeId[] servers) =>
        cluster.Tell(new CoordinatorInput.NodesChanged(
        [
            .. servers.Select(node => new ClusterNode(node, true, false)
            {
                IsLeaving = node == leaving,
            }),
            new ClusterNode(W(0), false, true), new ClusterNode(W(1), false, true),
        ]));
}
