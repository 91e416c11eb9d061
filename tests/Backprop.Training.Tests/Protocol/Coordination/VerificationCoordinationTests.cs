using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>Two workers that differ stand aside until a third one has voted.</summary>
public sealed class VerificationCoordinationTests
{
    private static readonly CoordinationOptions Options = new() { VerifyShare = 1 };

    private static readonly VersionDigest Right = new(1), Wrong = new(2);

    [Fact]
    public void Each_worker_verifies_another_one()
    {
        ScriptedCluster cluster = InTraining(workers: 3, options: Options);
        MicroBatchRange[] verified =
            [.. Enumerable.Range(0, 3).Select(i => cluster.ToWorkers[W(i)].Verifies)];

        Assert.Equal(
            cluster.State.Open!.Assigned.Select(entry => entry.Range).Order(Comparer),
            verified.Order(Comparer));
        Assert.All(
            Enumerable.Range(0, 3),
            i => Assert.NotEqual(cluster.ToWorkers[W(i)].Assigned, verified[i]));
        Assert.Equal(
            MicroBatchRange.None,
            InTraining(workers: 1, options: Options).ToWorkers[W(0)].Verifies);
        Assert.Equal(MicroBatchRange.None, InTraining(workers: 3).ToWorkers[W(0)].Verifies);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_third_vote_decides_who_is_quarantined(bool isCheckedRight)
    {
        ScriptedCluster cluster = InTraining(workers: 3, options: Options);
        MicroBatchRange range = cluster.ToWorkers[W(0)].Assigned;
        cluster.Tell(Differ(cluster, new Dispute(1, range, W(0), W(1), Right)));

        Assert.Single(cluster.Journal.OfType<GenerationEnded>());
        cluster.OpenAll();
        Assert.Equal(new Generation(2), cluster.State.Open!.Number);
        Assert.Equal(W(2), Assert.Single(cluster.State.Open.Assigned).Worker);
        Assert.Equal(1, cluster.ToServers[S(0)].Lease.EndVersion);
        Assert.Equal(new Recheck(1, range), cluster.ToWorkers[W(2)].Recheck);
        Assert.Contains("worker-0 and worker-1 came to other bits", cluster.Last.Reason);

        cluster.Tell(Vote(cluster, W(2), range, isCheckedRight ? Right : Wrong));

        NodeId odd = isCheckedRight ? W(0) : W(1);
        Assert.Equal([odd], cluster.State.Quarantined);
        Assert.Null(cluster.State.Dispute);
        Assert.Equal(3, cluster.ToServers[S(0)].Lease.EndVersion);
        Assert.Contains($"quarantined: {odd}", cluster.Last.Reason);
        Assert.Contains(isCheckedRight ? W(1) : W(0), cluster.ToServers[S(0)].Workers);
        Assert.DoesNotContain(odd, cluster.ToServers[S(0)].Workers);
        cluster.AssertReplays();
        cluster.Recover();
        cluster.Nodes(2, 3);
        Assert.DoesNotContain(odd, cluster.ToServers[S(0)].Workers);
    }

    [Fact]
    public void Checkpoints_after_a_step_in_doubt_are_not_gone_back_to()
    {
        ScriptedCluster cluster = InTraining(workers: 3, options: Options);
        cluster.Epoch();
        Assert.Equal(3, Assert.Single(cluster.State.Checkpoints).Version);

        cluster.Tell(Differ(
            cluster, new Dispute(2, new MicroBatchRange(0, 1), W(0), W(1), Right)));

        Assert.Empty(cluster.State.Checkpoints);
        Assert.IsType<SliceOrigin.FirstWeights>(cluster.State.Generation!.Origin);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_dispute_on_an_earlier_step_has_the_run_go_back_further()
    {
        ScriptedCluster cluster = InTraining(workers: 3, options: Options);
        cluster.Epoch();
        CoordinatorInput.WorkersDiffer later = Differ(
            cluster, new Dispute(4, new MicroBatchRange(0, 1), W(0), W(1), Right));
        CoordinatorInput.WorkersDiffer earlier = Differ(
            cluster, new Dispute(1, new MicroBatchRange(1, 2), W(1), W(2), Right));
        cluster.Nodes([], []);

        Assert.Null(cluster.Tell(later).Refusal);
        Assert.Single(cluster.State.Checkpoints);
        Assert.Null(cluster.Tell(earlier).Refusal);
        Assert.NotNull(cluster.Tell(later).Refusal);

        Assert.Empty(cluster.State.Checkpoints);
        Assert.Equal(earlier.Dispute, cluster.State.Dispute);
        cluster.Nodes(2, 3);
        Assert.IsType<SliceOrigin.FirstWeights>(cluster.State.Open!.Origin);
        cluster.AssertReplays();
    }

    [Fact]
    public void Votes_of_the_parties_and_of_other_steps_do_not_count()
    {
        ScriptedCluster cluster = InTraining(workers: 3, options: Options);
        var range = new MicroBatchRange(0, 1);
        CoordinatorInput.WorkersDiffer differ =
            Differ(cluster, new Dispute(1, range, W(0), W(1), Right));
        cluster.Tell(differ);
        cluster.OpenAll();

        Assert.NotNull(cluster.Tell(differ).Refusal);
        Assert.NotNull(cluster.Tell(Vote(cluster, W(0), range, Wrong)).Refusal);
        Assert.NotNull(
            cluster.Tell(Vote(cluster, W(2), new MicroBatchRange(1, 2), Wrong)).Refusal);
        CheckReport other = Vote(cluster, W(2), range, Wrong).Report;
        Assert.NotNull(cluster.Tell(
            new CoordinatorInput.Rechecked(other with { Step = 2 })).Refusal);
        Assert.NotNull(cluster.State.Dispute);
    }

    [Fact]
    public void What_was_pushed_is_held_against_what_another_computed()
    {
        ScriptedCluster cluster = InTraining(servers: 2, workers: 2, options: Options);
        RunGeneration open = cluster.State.Open!;
        var ledger = new VerificationLedger();
        var range = new MicroBatchRange(0, 2);
        var check = new CheckReport(
            cluster.Plan.Run, open.Number, W(1), 5,
            [new CheckedNode(range, new VersionDigest(99), [Right, Wrong])]);
        var push = new PushReport(
            cluster.Plan.Run, open.Number, S(0), 0, 5, [new PushedNode(W(0), range, Right)]);

        Assert.Null(ledger.Take(push, open));
        Assert.Null(ledger.Take(check, open));
        Assert.Equal(1, ledger.Compared);
        Assert.Null(ledger.Take(push with { Server = S(1) }, open));
        Assert.Equal(
            new Dispute(5, range, W(0), W(1), new VersionDigest(99)),
            ledger.Take(push with { Server = S(1), Slice = 1 }, open));
        Assert.Null(ledger.Take(push with { Slice = 7 }, open));
        Assert.Null(ledger.Take(push with { Generation = new Generation(9) }, open));
        Assert.Null(ledger.Take(check with { Worker = W(0), Step = 6 }, open));
        Assert.Null(ledger.Take(push with { Step = 6 }, open));
        Assert.Equal(2, ledger.Compared);
    }

    [Fact]
    public void The_share_of_steps_is_as_asked_for_and_the_same_for_everybody()
    {
        var rule = new VerificationRule(42, 0.1);
        long[] steps = [.. Enumerable.Range(0, 10_000).Select(i => (long)i).Where(rule.Includes)];

        Assert.InRange(steps.Length, 900, 1_100);
        Assert.Equal(steps, Enumerable.Range(0, 10_000).Select(i => (long)i)
            .Where(new VerificationRule(42, 0.1).Includes));
        Assert.False(VerificationRule.None.Includes(0));
        Assert.True(new VerificationRule(1, 1).Includes(7));
    }

    [Theory]
    [InlineData("verify = 1%", 0.01)]
    [InlineData("verify = 0.25", 0.25)]
    [InlineData("", 0)]
    public void The_share_is_written_as_people_write_it(string line, double share) =>
        Assert.Equal(share, Read(line).VerifyShare);

    [Theory]
    [InlineData("verify = 101%")]
    [InlineData("verify = -1")]
    [InlineData("verify = often")]
    [InlineData("verify = 1%, transport { gradients = bf16 }")]
    public void Shares_that_make_no_sense_are_refused(string line)
    {
        var refusal = Assert.Throws<SpecificationException>(() => Read(line));
        Assert.Contains("verify", refusal.Message);
    }

    private static RunSpecification Read(string line) => RunSpecificationReader.Read(
        $$"""
        name = tiny
        data { train { generated { moons { samples = 90 } } } }
        model = [{ dense { units = 2 } }]
        loss = softmax-cross-entropy
        optimizer { adam { learning-rate = 0.01 } }
        epochs = 1
        {{line}}
        """,
        "test");

    private static Comparer<MicroBatchRange> Comparer { get; } =
        Comparer<MicroBatchRange>.Create((left, right) => left.First.CompareTo(right.First));

    private static CoordinatorInput.WorkersDiffer Differ(
        ScriptedCluster cluster, Dispute dispute) =>
        new(cluster.State.Open!.Number, dispute);

    private static CoordinatorInput.Rechecked Vote(
        ScriptedCluster cluster, NodeId voter, MicroBatchRange range, VersionDigest whole) =>
        new(new CheckReport(
            cluster.Plan.Run, cluster.State.Open!.Number, voter, 1,
            [new CheckedNode(range, whole, [whole, whole])]));
}
