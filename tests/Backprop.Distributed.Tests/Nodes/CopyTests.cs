using System.Collections.Immutable;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Copies of slices in other servers' memory: a run that loses servers goes back to them,
/// or to its checkpoint where they are gone, and ends in the bits of the single process.</summary>
public sealed class CopyTests
{
    private static readonly CopyOptions s_often =
        new() { Share = 1, LeastInterval = TimeSpan.Zero };

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task A_server_that_dies_takes_the_run_back_to_copies_in_memory(
        bool overTcp, bool isReplaced)
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp, servers: 3, workers: 2, HasCopies, copies: s_often);
        await cluster.AwaitHeldAsync();
        if (isReplaced)
        {
            cluster.Add(cluster.Make(
                "server-4", NodeRoles.ParameterServer, copies: s_often));
        }

        cluster.Kill("server-2");
        cluster.Release();

        await cluster.AssertEndsAsOracleAsync();
        Assert.Equal(2, await cluster.SeeAsync(one => one.State.Generation!.Number.Value));
        SliceOrigin.Memory origin = Assert.IsType<SliceOrigin.Memory>(
            await cluster.SeeAsync(one => one.State.Generation!.Origin));
        Assert.NotEqual(0, origin.Version % TestRun.StepsPerEpoch);
        Assert.DoesNotContain(origin.Keepers, keeper => keeper.Node.Value == "server-2");
        Assert.Equal(
            isReplaced ? 3 : 2,
            await cluster.SeeAsync(one => one.State.Generation!.Servers.Length));
    }

    [Fact]
    public async Task Links_that_end_while_copies_are_fetched_change_nothing()
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp: true, servers: 3, workers: 2, HasCopies, copies: s_often);
        await cluster.AwaitHeldAsync();
        cluster.Kill("server-3");
        cluster.Release();
        cluster["server-1"].Hub.Close(new NodeId("server-2"), "a test");
        cluster["server-2"].Hub.Close(new NodeId("server-1"), "a test");

        await cluster.AssertEndsAsOracleAsync();
    }

    [Fact]
    public async Task A_server_and_its_keeper_that_die_take_the_run_back_to_its_checkpoint()
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp: true, servers: 3, workers: 2, HasCopies, copies: s_often);
        await cluster.AwaitHeldAsync();

        cluster.Kill("server-1");
        cluster.Kill("server-2");
        cluster.Release();

        await cluster.AssertEndsAsOracleAsync();
        Assert.IsNotType<SliceOrigin.Memory>(
            await cluster.SeeAsync(one => one.State.Generation!.Origin));
    }

    [Fact]
    public async Task A_run_that_is_over_leaves_no_copies_behind()
    {
        await using TestCluster cluster = TestCluster.Of(
            overTcp: true, servers: 2, workers: 1, copies: s_often);

        await cluster.EndAsync();

        await cluster.AwaitAsync(run =>
            run.Observed.Servers.Count == 2
            && run.Observed.Servers.Values.All(status =>
                status.Phase is SlicePhase.Closed && status.Copies.IsEmpty));
    }

    [Fact]
    public async Task Without_memory_for_them_there_are_no_copies_and_a_reason()
    {
        await using var cluster = new TestCluster(overTcp: false);
        cluster.Add(
            cluster.Make(
                "server-1", NodeRoles.ParameterServer, memoryLimitBytes: 8 << 20,
                copies: s_often),
            cluster.Make("server-2", NodeRoles.ParameterServer, copies: s_often),
            cluster.Make("worker-1", NodeRoles.Worker));

        await cluster.AssertEndsAsOracleAsync();
        await cluster.AwaitAsync(run => run.Observed.Servers.Count == 2);
        Assert.Contains("MiB may be used", await cluster.SeeAsync(
            run => run.Observed.Servers[new NodeId("server-1")].CopiesOff!));
        Assert.True(await cluster.SeeAsync(
            run => run.Observed.Servers.Values.All(status => status.Copies.IsEmpty)));
    }

    // Every server has its own slice and that of the one before in the same version, newer than the
    // newest checkpoint. Whoever is to die dies while the coordinator stands at that: once it goes
    // on, it may know a checkpoint of the epoch's end that is newer.
    private static bool HasCopies(RunCoordination run)
    {
        ImmutableArray<ServerStatus> statuses = [.. run.Observed.Servers.Values];
        long newest = run.State.Newest?.Version ?? 0;
        return statuses.Length == 3 && run.State.Generation!.Number.Value == 1
            && statuses[0].Copies.Any(copy => copy.Version > newest && statuses.All(
                status => status.Copies.Count(other => other.Version == copy.Version) == 2));
    }
}
