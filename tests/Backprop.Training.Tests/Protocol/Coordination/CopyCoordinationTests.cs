using System.Collections.Immutable;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Which copies in memory a run goes back to when it loses a server, and where it stands
/// there.</summary>
public sealed class CopyCoordinationTests
{
    [Fact]
    public void A_lost_server_takes_the_run_back_to_the_newest_set_of_copies()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 3);
        cluster.Epoch();
        Keep(cluster, 4);
        Keep(cluster, 4, 5);

        cluster.Nodes([ScriptedCluster.S(0), ScriptedCluster.S(2)], Workers);

        GenerationOpened opened = cluster.Journal.OfType<GenerationOpened>().Last();
        Assert.Null(opened.From);
        CopiesUsed copies = Assert.IsType<CopiesUsed>(opened.Copies);
        Assert.Equal(5, copies.Version);
        Assert.Equal(
            [
                new CopyKeeper(ScriptedCluster.S(0), 0, 1),
                new CopyKeeper(ScriptedCluster.S(2), 1, 2),
                new CopyKeeper(ScriptedCluster.S(2), 2, 3),
            ],
            copies.Keepers.AsEnumerable());
        var origin = (SliceOrigin.Memory)cluster.ToServers[ScriptedCluster.S(0)].Origin;
        Assert.Equal((5, 3, 7.5), (origin.Version, origin.BestVersion, origin.EpochLossSum));
        Assert.Contains("held in memory by server-0 and server-2", cluster.Last.Reason);

        TrainingPosition position = cluster.State.Position;
        Assert.Equal((5, 7.5), (position.Step, position.EpochLossSum));
        Assert.Single(position.History);
        cluster.AssertReplays();
    }

    [Fact]
    public void Reports_later_than_the_copies_are_dropped_and_the_others_folded_anew()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(
            servers: 2, options: new CoordinationOptions { CheckpointEveryEpochs = null });
        cluster.Reach(3);
        cluster.EvaluateAll(100);
        TrainingPosition first = cluster.State.Position;
        Keep(cluster, [4], best: 3, hasLoss: true);
        cluster.Reach(6);
        cluster.EvaluateAll(50);
        Assert.Equal(2, cluster.State.Position.History.Length);

        cluster.Nodes([ScriptedCluster.S(1)], Workers);

        Assert.Equal(4, cluster.State.Generation!.Origin.Version);
        Assert.Equal(first.Stopping, cluster.State.Position.Stopping);
        Assert.Equal(first.Plateau, cluster.State.Position.Plateau);
        Assert.Equal(first.History.AsEnumerable(), cluster.State.Position.History);
        cluster.OpenAll();
        Assert.Equal(6, ((RunPhase.Training)cluster.Phase).Lease.EndVersion);
        cluster.AssertReplays();
    }

    [Theory]
    [InlineData("a block that nobody keeps")]
    [InlineData("other best weights")]
    [InlineData("an epoch that is not judged")]
    [InlineData("no loss of the epoch")]
    [InlineData("older than the checkpoint")]
    [InlineData("an epoch's end")]
    public void What_is_not_a_set_that_the_run_can_stand_at_is_not_used(string what)
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 3);
        cluster.Epoch();
        long version = what switch
        {
            "an epoch that is not judged" => 7,
            "older than the checkpoint" => 2,
            "an epoch's end" => 6,
            _ => 5,
        };
        Keep(
            cluster, [version], best: what == "other best weights" ? 1 : 3,
            hasLoss: what != "no loss of the epoch");

        bool isKeeperLost = what == "a block that nobody keeps";
        cluster.Nodes(
            isKeeperLost
                ? [ScriptedCluster.S(0)] : [ScriptedCluster.S(0), ScriptedCluster.S(2)], Workers);

        GenerationOpened opened = cluster.Journal.OfType<GenerationOpened>().Last();
        Assert.Equal(2, opened.Number.Value);
        Assert.Null(opened.Copies);
        Assert.Equal(3, opened.From);
    }

    [Fact]
    public void A_keeper_that_is_lost_while_slices_open_ends_the_generation()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 3);
        cluster.Epoch();
        Keep(cluster, 5);
        cluster.Nodes([ScriptedCluster.S(0), ScriptedCluster.S(2)], Workers);
        Assert.NotNull(cluster.Journal.OfType<GenerationOpened>().Last().Copies);

        cluster.Nodes([ScriptedCluster.S(0)], Workers);

        GenerationOpened opened = cluster.Journal.OfType<GenerationOpened>().Last();
        Assert.Equal(3, opened.Number.Value);
        Assert.Equal((null, 3), (opened.Copies, opened.From));
        cluster.AssertReplays();
    }

    [Fact]
    public void Copies_that_cannot_be_opened_from_are_not_tried_again()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 3);
        cluster.Epoch();
        Keep(cluster, 5);
        cluster.Nodes([ScriptedCluster.S(0), ScriptedCluster.S(2)], Workers);

        cluster.Server(0, status => status with
        {
            Phase = new SlicePhase.Failed("no copy came"),
            Copies = CopiesOf(cluster, 0, [5], 3, hasLoss: true),
        });
        cluster.Tick(60);

        GenerationOpened opened = cluster.Journal.OfType<GenerationOpened>().Last();
        Assert.Equal((null, 3), (opened.Copies, opened.From));
    }

    [Fact]
    public void While_workers_dispute_a_step_no_later_copy_is_opened_from()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 2, workers: 3);
        cluster.Epoch();
        Keep(cluster, 4, 5);

        cluster.Tell(new CoordinatorInput.WorkersDiffer(
            cluster.State.Generation!.Number,
            new Dispute(
                4, new MicroBatchRange(0, 1), ScriptedCluster.W(0), ScriptedCluster.W(1),
                new VersionDigest(12))));

        GenerationOpened opened = cluster.Journal.OfType<GenerationOpened>().Last();
        Assert.Equal(2, opened.Number.Value);
        Assert.Equal(4, opened.Copies!.Version);
    }

    [Fact]
    public void When_everything_died_the_journal_leads_back_to_the_checkpoint()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 3);
        cluster.Epoch();
        Keep(cluster, 5);
        cluster.Nodes([ScriptedCluster.S(0), ScriptedCluster.S(2)], Workers);
        cluster.OpenAll();
        Assert.IsType<RunPhase.Training>(cluster.Phase);

        cluster.Recover();
        cluster.Nodes([ScriptedCluster.S(7)], [ScriptedCluster.W(7)]);

        GenerationOpened opened = cluster.Journal.OfType<GenerationOpened>().Last();
        Assert.Equal((null, 3), (opened.Copies, opened.From));
        Assert.Equal(3, cluster.State.Position.Step);
        cluster.AssertReplays();
    }

    [Fact]
    public void Nodes_keep_copies_of_a_run_that_waits_and_not_of_one_that_ended()
    {
        ScriptedCluster cluster = ScriptedCluster.InTraining(servers: 2);
        cluster.Nodes([ScriptedCluster.S(1)], []);
        Assert.IsType<RunPhase.Queued>(cluster.Phase);
        ServerDirective directive = cluster.ToServers[ScriptedCluster.S(1)];
        Assert.True(directive.Closed && directive.KeepsCopies);

        cluster.Tell(new CoordinatorInput.Stop());

        directive = cluster.ToServers[ScriptedCluster.S(1)];
        Assert.True(directive.Closed && !directive.KeepsCopies);
    }

    private static NodeId[] Workers => [ScriptedCluster.W(0), ScriptedCluster.W(1)];

    private static void Keep(ScriptedCluster cluster, params long[] versions) =>
        Keep(cluster, versions, best: 3, hasLoss: true);

    private static void Keep(
        ScriptedCluster cluster, long[] versions, long best, bool hasLoss) =>
        cluster.AllServers(status => status with
        {
            Copies = CopiesOf(cluster, status.Slice, versions, best, hasLoss),
        });

    // A server's own slice and the one before it.
    private static ImmutableArray<SliceCopy> CopiesOf(
        ScriptedCluster cluster, int slice, long[] versions, long best, bool hasLoss)
    {
        int servers = cluster.State.Generation!.Servers.Length;
        var plan = new SlicePlan(cluster.Plan.Dimensions.Layout, servers);
        int before = (slice + servers - 1) % servers;
        return
        [
            .. from version in versions
               from kept in new[] { slice, before }
               select new SliceCopy(
                   plan.FirstBlock(kept), plan.FirstBlock(kept + 1), version, best,
                   kept == 0 && hasLoss ? 7.5 : null),
        ];
    }
}
