using Backprop.Chaos.Schedules;
using Backprop.Distributed.Tests.Persistence;

namespace Backprop.Chaos.Tests;

/// <summary>A backup of the state database is a run's: a cluster that is restored from it elsewhere
/// trains on, and comes to the bits of a run that nothing happened to.</summary>
public sealed class RestoreTests : IDisposable
{
    private const string Schema = "backprop";
    private const int Servers = 2;
    private const int Workers = 2;

    // Some seconds of training, and so some checkpoints.
    private const int StepsBeforeBackup = 400;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("backprop-chaos-");

    public void Dispose() => _directory.Delete(recursive: true);

    [SkippableFact]
    public async Task A_dump_that_was_taken_while_it_trained_is_trained_on_in_another_server()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "every node has a loopback address of its own");
        using var here = new PostgreSqlServer();
        Skip.If(here.WhyNot is not null, here.WhyNot);
        string backup, run;
        using (ChaosCluster cluster = Start("before", here))
        {
            (run, _) = await Trial.BeginAsync(cluster);
            RunState state = await Trial.SeeAsync(
                cluster, run, now => now.Version >= StepsBeforeBackup
                    && now.Happenings.Any(text => text.Contains("is committed")));
            Assert.False(state.IsOver);
            backup = here.Dump(Schema);
        }

        using var elsewhere = new PostgreSqlServer();
        elsewhere.Restore(backup);
        using ChaosCluster restored = Start("after", elsewhere);
        await Trial.AwaitNodesAsync(restored);
        RunState end = await Trial.SeeAsync(restored, run, now => now.IsOver);

        Assert.Equal("completed", end.Standing);
        Assert.Contains(end.Happenings, text => text.Contains("in term 2"));
        Assert.Equal(
            ChaosSpecification.Undisturbed(
                ChaosSpecification.For(Trial.Length), _directory.FullName),
            end.Weights);
    }

    private ChaosCluster Start(string name, PostgreSqlServer database)
    {
        var cluster = new ChaosCluster(
            Path.Combine(_directory.FullName, name), Schedule.Calm(Servers, Workers),
            new ChaosOptions
            {
                Silence = null,
                Persistence = $"provider = postgresql, schema = {Schema},"
                    + $" connection-string = \"{database.Connection}\"",
            });
        cluster.StartAll();
        return cluster;
    }
}
