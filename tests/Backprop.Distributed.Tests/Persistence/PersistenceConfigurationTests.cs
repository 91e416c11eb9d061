using Akka.Actor;
using Akka.Configuration;
using Backprop.Distributed.Persistence;
using Microsoft.Data.Sqlite;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>The options arrive where Akka's plugins read them, and the files are as they should be.
/// </summary>
public sealed class PersistenceConfigurationTests : IDisposable
{
    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void The_plugins_defaults_are_there_and_ours_go_before_them()
    {
        Config config = PersistenceConfiguration.ToAkka(
            new PersistenceOptions.PostgreSql("Host=db;Password=\"a\\b\"", "runs")
            {
                CallTimeout = TimeSpan.FromSeconds(7),
            });
        Config journal = config.GetConfig(PersistenceConfiguration.JournalPlugin);
        Assert.Contains("SqlWriteJournal", journal.GetString("class"));
        Assert.Equal("PostgreSQL.15", journal.GetString("provider-name"));
        Assert.Equal("Host=db;Password=\"a\\b\"", journal.GetString("connection-string"));
        Assert.Equal("runs", journal.GetString("default.schema-name"));
        Assert.Equal("journal", journal.GetString("default.journal.table-name"));
        Assert.Equal(
            TimeSpan.FromSeconds(7), journal.GetTimeSpan("circuit-breaker.call-timeout"));
        Config snapshots = config.GetConfig(PersistenceConfiguration.SnapshotPlugin);
        Assert.Contains("SqlSnapshotStore", snapshots.GetString("class"));
        Assert.Equal("runs", snapshots.GetString("default.schema-name"));
    }

    [Fact]
    public void SQLite_has_a_file_each_and_one_writer()
    {
        Config config = PersistenceConfiguration.ToAkka(_folder.Options);
        Assert.Equal(1, config.GetInt($"{PersistenceConfiguration.JournalPlugin}.parallelism"));
        Assert.Contains("journal.db", config.GetString(
            $"{PersistenceConfiguration.JournalPlugin}.connection-string"));
        Assert.Contains("checkpoints.db", config.GetString(
            $"{PersistenceConfiguration.SnapshotPlugin}.connection-string"));
        Assert.Null(config.GetString(
            $"{PersistenceConfiguration.JournalPlugin}.default.schema-name"));
    }

    [Fact]
    public async Task The_journal_has_a_write_ahead_log_and_the_events_are_in_our_format()
    {
        using (ActorSystem system = await StateFolder.StartAsync(_folder.Options))
        {
            IActorRef ledger = system.ActorOf(Ledger.Props("ledger-1"));
            await ledger.Ask<int>(new Ledger.Record("a", "b"), StateFolder.Patience);
            await system.Terminate();
        }

        Assert.Equal("wal", Scalar("PRAGMA journal_mode"));
        Assert.Equal(2L, Scalar(
            "SELECT count(*) FROM journal WHERE persistence_id = 'ledger-1'"
            + " AND identifier = 7301"));
    }

    [Fact]
    public async Task A_file_of_a_later_format_is_refused_by_name()
    {
        await PrepareAsync();
        Scalar("PRAGMA user_version = 2");
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(PrepareAsync);
        Assert.Contains("journal.db was written by a later version", refusal.Message);
    }

    [Fact]
    public async Task A_file_of_another_program_is_left_alone()
    {
        Scalar("CREATE TABLE songs (title text)");
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(PrepareAsync);
        Assert.Contains("journal.db was made by another program", refusal.Message);
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_refused_by_name()
    {
        await File.WriteAllTextAsync(_folder.Options.SnapshotFile, new string('x', 8192));
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(PrepareAsync);
        Assert.Contains("checkpoints.db cannot be used", refusal.Message);
    }

    [Fact]
    public async Task A_locked_file_is_told_after_a_while()
    {
        await PrepareAsync();
        using var other = new SqliteConnection(
            $"Data Source={_folder.Options.SnapshotFile};Pooling=False");
        other.Open();
        using SqliteTransaction transaction = other.BeginTransaction();
        using SqliteCommand command = other.CreateCommand();
        command.CommandText = "PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE t (x)";
        command.Transaction = transaction;
        command.ExecuteNonQuery();
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(PrepareAsync);
        Assert.Contains("checkpoints.db is locked by another process", refusal.Message);
    }

    [Fact]
    public async Task A_state_directory_that_is_a_file_is_refused_by_name()
    {
        string file = Path.Combine(_folder.Path, "file");
        await File.WriteAllTextAsync(file, "");
        var refusal = await Assert.ThrowsAsync<StateDatabaseException>(() =>
            StateDatabase.PrepareAsync(
                new PersistenceOptions.Sqlite(file), TimeSpan.FromSeconds(1),
                CancellationToken.None));
        Assert.Contains($"the state directory {file} cannot be made", refusal.Message);
    }

    private Task PrepareAsync() => StateDatabase.PrepareAsync(
        _folder.Options, TimeSpan.FromSeconds(1), CancellationToken.None);

    private object? Scalar(string text)
    {
        using var connection = new SqliteConnection(
            $"Data Source={_folder.Options.JournalFile};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        return command.ExecuteScalar();
    }
}
