using Backprop.Chaos.Processes;
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

    [SkippableFact]
    public async Task A_run_that_began_with_SQLite_is_moved_and_ends_with_PostgreSQL()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "every node has a loopback address of its own");
        using var database = new PostgreSqlServer();
        Skip.If(database.WhyNot is not null, database.WhyNot);
        string run;
        using (ChaosCluster cluster = Start("before", database: null))
        {
            (run, _) = await Trial.BeginAsync(cluster);
            await Trial.SeeAsync(
                cluster, run, now => now.Version >= StepsBeforeBackup
                    && now.Happenings.Any(text => text.Contains("is committed")));
        }

        string configuration = Path.Combine(_directory.FullName, "next.conf");
        File.WriteAllText(
            configuration, $"backprop.persistence {{ {PersistenceOf(database)} }}");
        (int exitCode, string output, string error) = BackpropProgram.Run(
            new Dictionary<string, string> { ["HOME"] = _directory.FullName },
            "state", "copy", "--from", Path.Combine(_directory.FullName, "before", "state"),
            "--config", configuration);
        Assert.True(exitCode == 0, error);
        Assert.Contains("the state of cluster chaos is copied", output);

        using ChaosCluster moved = Start("after", database);
        await Trial.AwaitNodesAsync(moved);
        RunState end = await Trial.SeeAsync(moved, run, now => now.IsOver);

        Assert.Equal("completed", end.Standing);
        Assert.Equal(
            ChaosSpecification.Undisturbed(
                ChaosSpecification.For(Trial.Length), _directory.FullName),
            end.Weights);
    }

    private static string PersistenceOf(PostgreSqlServer database) =>
        $"provider = postgresql, schema = {Schema},"
            + $" connection-string = \"{database.Connection}\"";

    private ChaosCluster Start(string name, PostgreSqlServer? database)
    {
        var cluster = new ChaosCluster(
            Path.Combine(_directory.FullName, name), Schedule.Calm(Servers, Workers),
            new ChaosOptions
            {
                Silence = null,
                Persistence = database is null ? null : PersistenceOf(database),
            });
        cluster.StartAll();
        return cluster;
    }
}
