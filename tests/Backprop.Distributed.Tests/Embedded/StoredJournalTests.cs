using System.Runtime.CompilerServices;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Distributed.Tests.Persistence;
using Backprop.Training;
using Backprop.Training.Protocol;
using Microsoft.Data.Sqlite;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A journal that the first version wrote: every later one reads it.</summary>
public sealed class StoredJournalTests
{
    private const string Update = "UPDATE_JOURNAL";

    // What the run of the journal came to when it was written.
    private const string Weights =
        "eb0716641c099b4c3ddc8d8a8580c975ddaa9eafa242831f547cef9db757e327";

    /// <summary>With the variable UPDATE_JOURNAL it is written anew: as long as no version was
    /// released, and never afterwards.</summary>
    [Fact]
    public async Task A_journal_of_the_first_version_is_read()
    {
        using var folder = new StateFolder();
        if (Environment.GetEnvironmentVariable(Update) is "1")
        {
            await WriteAsync(folder);
            File.Copy(folder.Options.JournalFile, Fixture(), overwrite: true);
        }
        else
        {
            File.Copy(Fixture(), folder.Options.JournalFile);
        }

        await using EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 2);
        CoordinatorAnswer answer = await cluster.Client.AskAsync(
            new CoordinatorRequest.ShowRun(new RunId("tiny-1")), CancellationToken.None);

        RunView view = Assert.IsType<CoordinatorAnswer.Run>(answer).View;
        TrainingResult result = Assert.IsType<TrainingResult>(view.Result);
        Assert.Equal(Weights, result.WeightsSha256);
        Assert.Equal(4, view.History.Length);
        Assert.Equal(view.History.Length, result.History.Length);
        Assert.Equal(12, result.Steps);
        Assert.NotEmpty(view.Checkpoints);
        Assert.NotNull(view.Model);
        Assert.Contains(view.Happenings, happening => happening.Text.Contains("is committed"));
    }

    private static async Task WriteAsync(StateFolder folder)
    {
        await using (EmbeddedCluster cluster = await StoredCluster.StartAsync(folder, each: 2))
        {
            await cluster.Client.AskAsync(
                new CoordinatorRequest.Submit(
                    Guid.NewGuid(), TestRun.Specification, "tiny.conf", 0),
                CancellationToken.None);
            RunSummaryView? run = null;
            while (run?.Standing is not RunStanding.Completed)
            {
                await Task.Delay(50);
                CoordinatorAnswer runs = await cluster.Client.AskAsync(
                    new CoordinatorRequest.ListRuns(), CancellationToken.None);
                run = ((CoordinatorAnswer.Runs)runs).All.Single();
            }

            // That everybody has let go of it is an event as well.
            await Task.Delay(TimeSpan.FromSeconds(3));
        }

        SqliteConnection.ClearAllPools();
        using var connection = new SqliteConnection(
            $"Data Source={folder.Options.JournalFile};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "PRAGMA wal_checkpoint(TRUNCATE); VACUUM";
        command.ExecuteNonQuery();
    }

    private static string Fixture([CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "journal-1.db");
}
