using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Parameter servers that join a run that trains: it is saved and cut over them all.
/// </summary>
public sealed class SpreadTests
{
    private const double Later = 15;

    [Fact]
    public void A_run_is_saved_where_it_is_and_goes_on_with_the_server()
    {
        ScriptedCluster cluster = InTraining(servers: 1);
        cluster.Nodes(servers: 2, workers: 2);
        Assert.Null(Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);

        cluster.Tick(Later);
        Assert.Equal(HaltCause.Spread, Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);
        cluster.AllServers(status => status with { Version = 2 });
        cluster.AllServers(status => status with { Version = 2 });
        cluster.SaveAll(epochLossSum: 7);
        RunGeneration next = cluster.State.Open!;
        Assert.Equal([S(0), S(1)], next.Servers.ToArray());
        Assert.Equal(new SliceOrigin.Checkpoint(2, null, 7), next.Origin);
        Assert.Equal(
            "server-1 takes a slice; the run is saved at version 2",
            cluster.Journal.OfType<GenerationEnded>().Single().Reason);
        cluster.AssertReplays();

        cluster.OpenAll();
        cluster.Tick(2 * Later);
        Assert.Null(Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);
    }

    [Fact]
    public void At_an_epochs_end_it_is_judged_first()
    {
        ScriptedCluster cluster = InTraining(servers: 1);
        cluster.Reach(3);
        cluster.Nodes(servers: 3, workers: 2);
        cluster.Tick(Later);
        cluster.EvaluateAll();
        Assert.IsType<RunPhase.Checkpointing>(cluster.Phase);
        cluster.SaveAll();
        Assert.Equal([S(0), S(1), S(2)], cluster.State.Open!.Servers.ToArray());
        Assert.Equal(3, cluster.State.Open.Origin.Version);
        Assert.Contains(
            "server-1, server-2 take slices",
            cluster.Journal.OfType<GenerationEnded>().Single().Reason);
        cluster.AssertReplays();
    }

    [Fact]
    public void More_servers_than_the_network_has_blocks_for_are_left_alone()
    {
        ScriptedCluster cluster = InTraining(servers: 3);
        cluster.Nodes(servers: 4, workers: 2);
        cluster.Tick(Later);
        Assert.Null(Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);
    }

    [Fact]
    public void A_server_whose_slice_fails_is_done_without_for_ten_minutes()
    {
        ScriptedCluster cluster = InTraining(servers: 2);
        cluster.Server(1, status => status with { Phase = new SlicePhase.Failed("no memory") });
        cluster.Tick(Later);
        Assert.Equal([S(0)], cluster.State.Open!.Servers.ToArray());
        cluster.OpenAll();
        cluster.Tick(540);
        Assert.Null(Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);

        cluster.Tick(60);
        Assert.Equal(HaltCause.Spread, Assert.IsType<RunPhase.Training>(cluster.Phase).Halt);
    }

    [Fact]
    public void If_all_have_failed_they_are_tried_again()
    {
        ScriptedCluster cluster = InTraining(servers: 1);
        cluster.Server(0, status => status with { Phase = new SlicePhase.Failed("no database") });
        cluster.Tick(Later);
        Assert.Equal([S(0)], cluster.State.Open!.Servers.ToArray());
    }
}
