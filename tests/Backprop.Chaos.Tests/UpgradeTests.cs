using Backprop.Chaos.Processes;
using Backprop.Chaos.Schedules;

namespace Backprop.Chaos.Tests;

/// <summary>A cluster that trains is upgraded one node after another, as docs/operations.md has it,
/// and the run ends in the bits of one that nothing happened to.</summary>
public sealed class UpgradeTests : IDisposable
{
    private const int Coordinator = 0;
    private const int Servers = 2;
    private const int Workers = 2;
    private const int Length = 100;

    // Steps that each mixture of versions makes, at least, before the next node is upgraded.
    private const int StepsBetween = 30;

    // A build of an earlier version, for an upgrade from it to this one.
    private const string PreviousProgram = "BACKPROP_PREVIOUS";

    // This program, which says that it is what comes after it, and what comes after that.
    private const string Next = "0.2.0/2/1/1";
    private const string TooFar = "0.3.0/3/3/1";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-chaos-");

    public void Dispose() => _directory.Delete(recursive: true);

    [SkippableFact]
    public async Task Every_node_becomes_the_next_version_while_the_run_trains()
    {
        using ChaosCluster cluster = Make();
        cluster.StartAll();
        await UpgradeAsync(cluster, BackpropProgram.Built, Next, async () =>
        {
            ChaosNode worker = cluster.Nodes[^1];
            worker.Upgrade(BackpropProgram.Built, TooFar);
            worker.Start();
            await Trial.UntilAsync(
                () => Task.FromResult(!worker.IsRunning), "a version too far is let in");
            Assert.Contains(
                worker.Log(), line => line.Contains("runs version 0.3.0, which understands"
                    + " protocols 3 to 3") && line.Contains("upgrade the cluster to a version"));
        });
    }

    [SkippableFact]
    public async Task Every_node_of_an_earlier_build_becomes_this_one_while_the_run_trains()
    {
        string? previous = Environment.GetEnvironmentVariable(PreviousProgram);
        Skip.If(
            previous is null, $"{PreviousProgram} names no backprop.dll of an earlier version;"
            + " tools/upgrade.sh COMMIT builds one and runs this test");
        using ChaosCluster cluster = Make();
        foreach (ChaosNode node in cluster.Nodes)
        {
            node.Upgrade(previous, announced: null);
        }

        cluster.StartAll();
        await UpgradeAsync(cluster, BackpropProgram.Built, null, () => Task.CompletedTask);
    }

    private ChaosCluster Make()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "every node has a loopback address of its own");
        return new ChaosCluster(
            _directory.FullName, Schedule.Calm(Servers, Workers),
            new ChaosOptions { Silence = null });
    }

    // Those who compute first, who coordinates last. The run waits for its workers, so that it is
    // not over before that.
    private async Task UpgradeAsync(
        ChaosCluster cluster, string program, string? announced, Func<Task> whileFirstIsAway)
    {
        (string run, RunState state) = await Trial.BeginAsync(cluster, Workers, Length);
        foreach (ChaosNode node in cluster.Nodes.Reverse())
        {
            node.Process!.Terminate();
            await Trial.UntilAsync(
                () => Task.FromResult(!node.IsRunning), $"node {node.Number} does not leave");
            if (node == cluster.Nodes[^1])
            {
                await whileFirstIsAway();
            }

            node.Upgrade(program, announced);
            node.Start();
            await Trial.AwaitNodesAsync(cluster);
            state = await Trial.SeeAsync(
                cluster, run, now => now.Version >= state.Version + StepsBetween
                    && (node.Number == Coordinator || !now.IsOver));
        }

        RunState end = await Trial.SeeAsync(cluster, run, now => now.IsOver);
        Assert.Equal("completed", end.Standing);
        Assert.Equal(
            ChaosSpecification.Undisturbed(
                ChaosSpecification.For(Length, Workers), _directory.FullName),
            end.Weights);
    }
}
