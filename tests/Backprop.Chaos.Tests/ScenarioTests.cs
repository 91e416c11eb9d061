using Backprop.Chaos.Schedules;

namespace Backprop.Chaos.Tests;

/// <summary>Single faults on clusters of real processes: what is lost by each, and what is not.
/// </summary>
public sealed class ScenarioTests : IDisposable
{
    private const int Coordinator = 0;
    // On a machine that has much else to do, nodes are silent for longer than they would be.
    private static readonly TimeSpan s_longSilence = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan s_shortSilence = TimeSpan.FromSeconds(5);

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-chaos-");

    public void Dispose() => _directory.Delete(recursive: true);

    [SkippableFact]
    public async Task A_coordinator_that_starts_again_goes_on_where_servers_and_workers_are()
    {
        using ChaosCluster cluster = Start(servers: 1, workers: 1, s_longSilence);
        (string run, _) = await Trial.BeginAsync(cluster);
        cluster.Nodes[Coordinator].End();
        cluster.Nodes[Coordinator].Start();
        RunState end = await Trial.SeeAsync(cluster, run, state => state.IsOver);
        Assert.Equal("completed", end.Standing);
        Assert.Equal(1, end.Generation);
        Assert.Contains(end.Happenings, text => text.Contains("has taken over, in term 2"));
    }

    [SkippableFact]
    public async Task A_server_that_is_told_to_end_takes_no_step_with_it()
    {
        using ChaosCluster cluster = Start(servers: 2, workers: 1, s_longSilence);
        (string run, RunState begun) = await Trial.BeginAsync(cluster);
        cluster.Nodes[1].Process!.Terminate();
        RunState next = await Trial.SeeAsync(cluster, run, state => state.Generation == 2);
        string saved = next.Happenings.Last(text => text.Contains("the run is saved at version"));
        Assert.True(long.Parse(saved[(saved.LastIndexOf(' ') + 1)..]) >= begun.Version, saved);
        RunState over = await Trial.SeeAsync(cluster, run, state => state.IsOver);
        Assert.Equal("completed", over.Standing);
        Assert.Contains("ended", cluster.Nodes[1].Log());
    }

    [SkippableFact]
    public async Task A_run_below_its_workers_pauses_and_resumes_by_itself()
    {
        using ChaosCluster cluster = Start(servers: 1, workers: 2, s_longSilence);
        (string run, _) = await Trial.BeginAsync(cluster, leastWorkers: 2);
        cluster.Nodes[3].End();
        RunState paused = await Trial.SeeAsync(cluster, run, state => state.Standing == "paused");
        Assert.Equal("1 of at least 2 workers are there", paused.Reason);
        cluster.Nodes[3].Start();
        RunState end = await Trial.SeeAsync(cluster, run, state => state.IsOver);
        Assert.Equal("completed", end.Standing);
        Assert.Equal(1, end.Generation);
    }

    [SkippableFact]
    public async Task A_node_that_was_given_up_comes_back_by_itself()
    {
        using ChaosCluster cluster = Start(servers: 1, workers: 2, s_shortSilence);
        (string run, _) = await Trial.BeginAsync(cluster);
        cluster.Do(new Fault.Isolate(3, TimeSpan.Zero));
        await Trial.UntilAsync(
            () => Task.FromResult(
                cluster.Nodes[3].Log().Any(line => line.StartsWith("returning: "))),
            "it is not given up");
        cluster.Heal();
        await Trial.UntilAsync(
            () => Task.FromResult(
                cluster.Nodes[3].Log().Count(line => line == "ready") == 2),
            "it does not come back");
        RunState over = await Trial.SeeAsync(cluster, run, state => state.IsOver);
        Assert.Equal("completed", over.Standing);
    }

    /// <summary>Akka's default is to take everybody out then, lest two sides decide differently.
    /// </summary>
    [SkippableFact]
    public async Task Nodes_that_come_and_go_do_not_take_the_others_with_them()
    {
        const int Workers = 3;
        using ChaosCluster cluster = Start(servers: 1, Workers, s_shortSilence);
        await Trial.AwaitNodesAsync(cluster);

        // One becomes unreachable, or reachable again, before it has been quiet for long enough
        // that anybody is taken out.
        for (int i = 0; i < 9; i++)
        {
            cluster.Nodes[2 + (i % Workers)].Process!.Stop();
            cluster.Nodes[2 + ((i + 1) % Workers)].Process!.Continue();
            await Task.Delay(TimeSpan.FromSeconds(4));
        }

        foreach (ChaosNode worker in cluster.Nodes[2..])
        {
            worker.Process!.Continue();
        }

        await Trial.AwaitNodesAsync(cluster);
        foreach (ChaosNode healthy in cluster.Nodes[..2])
        {
            Assert.DoesNotContain(healthy.Log(), line => line.StartsWith("returning: "));
        }
    }

    [SkippableFact]
    public async Task A_disk_that_is_full_is_named_and_waited_for()
    {
        using SmallDisk disk =
            SmallDisk.Mount(Path.Combine(_directory.FullName, "state"), "64m");
        using ChaosCluster cluster = Start(servers: 1, workers: 1, s_longSilence);
        (string run, _) = await Trial.BeginAsync(cluster);

        disk.FillBut(0);
        await Trial.UntilAsync(
            async () => (await cluster.Api.WarningsAsync() ?? []).Any(
                warning => warning.Contains("database or disk is full")),
            "nobody says that the disk is full");
        disk.Empty();

        RunState end = await Trial.SeeAsync(cluster, run, state => state.IsOver);
        Assert.Equal("completed", end.Standing);
        Assert.Equal(
            ChaosSpecification.Undisturbed(
                ChaosSpecification.For(Trial.Length), _directory.FullName),
            end.Weights);
    }

    private ChaosCluster Start(int servers, int workers, TimeSpan silence)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "every node has a loopback address of its own");
        var cluster = new ChaosCluster(
            _directory.FullName, Schedule.Calm(servers, workers),
            new ChaosOptions { Silence = silence });
        cluster.StartAll();
        return cluster;
    }
}
