using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>A worker that computes wrong is found by another one, told by a third, and taken out;
/// the run ends in the right bits all the same.</summary>
public sealed class VerificationTests
{
    // In the first epoch: after it, a worker that was slow has perhaps nothing to compute.
    private const long FirstWrongStep = 1;

    private static readonly NodeId Liar = new("worker-2");

    // Nobody begins alone.
    private static RunSetup Verified(int workers) => TestRun.Setup with
    {
        Specification = TestRun.Specification
            + $"\nverify = 100%\nworkers {{ min = {workers} }}",
    };

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Workers_that_compute_right_are_never_in_doubt(int workers)
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp: false, servers: 2, workers, setup: Verified(workers));

        await cluster.AssertEndsAsOracleAsync();

        Assert.True(await cluster.ComparedAsync() > 0);
        Assert.Equal(
            new Generation(1), await cluster.SeeAsync(run => run.State.Generation!.Number));
        Assert.Empty(await cluster.SeeAsync(run => run.State.Quarantined));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_worker_that_computes_wrong_is_quarantined_and_the_bits_are_right(
        bool overTcp)
    {
        await using var cluster = new TestCluster(overTcp, setup: Verified(3));
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer),
            cluster.Make("server-2", NodeRoles.ParameterServer),
            cluster.Make("worker-1", NodeRoles.Worker),
            Wrong(cluster),
            cluster.Make("worker-3", NodeRoles.Worker));
        await cluster.AwaitAsync(run => !run.State.Quarantined.IsEmpty);

        Assert.Equal([Liar], await cluster.SeeAsync(run => run.State.Quarantined));
        string reason = await cluster.SeeAsync(run => run.Reason(DateTimeOffset.UtcNow));
        Assert.EndsWith("; quarantined: worker-2", reason);
        cluster.Add(cluster.Make("worker-4", NodeRoles.Worker));
        await cluster.AssertEndsAsOracleAsync();
    }

    [Fact]
    public async Task Two_workers_that_differ_are_named_and_wait_for_a_third()
    {
        await using var cluster = new TestCluster(overTcp: false, setup: Verified(2));
        cluster.Add(
            cluster.Make("server-1", NodeRoles.ParameterServer),
            cluster.Make("worker-1", NodeRoles.Worker),
            Wrong(cluster));
        await cluster.AwaitAsync(run => run.State is
        {
            Dispute: not null, Phase: RunPhase.Queued,
        });

        Dispute dispute = await cluster.SeeAsync(run => run.State.Dispute!);
        string reason = await cluster.SeeAsync(run => run.Reason(DateTimeOffset.UtcNow));
        Assert.InRange(dispute.Step, FirstWrongStep, long.MaxValue);
        Assert.Contains("worker-1", reason);
        Assert.Contains("worker-2", reason);
        Assert.Contains($"step {dispute.Step}: a third worker is to tell who is right", reason);

        cluster.Add(cluster.Make("worker-3", NodeRoles.Worker));
        await cluster.AssertEndsAsOracleAsync();
        Assert.Equal([Liar], await cluster.SeeAsync(run => run.State.Quarantined));
    }

    private static TestNode Wrong(TestCluster cluster) => cluster.Make(
        Liar.Value, NodeRoles.Worker,
        tamper: links => new TamperingTransport(links, FirstWrongStep));
}
