using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Access;
using Backprop.Distributed.Persistence;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>A state is copied whole, or not at all.</summary>
public sealed class StateCopyTests(PostgreSqlServer server)
    : IClassFixture<PostgreSqlServer>, IDisposable
{
    private readonly StateFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableFact]
    public async Task What_was_decided_in_SQLite_is_there_in_PostgreSQL_and_back_in_SQLite()
    {
        await DecideAsync(_folder.Options, "a", "b");
        using (var tokens = new AccessTokens(_folder.Options, StateFolder.Patience))
        {
            await tokens.AddAsync(
                new AccessToken(
                    "t1", "x", AccessRole.Admin, DateTimeOffset.UnixEpoch, null, null),
                "hash", DateTimeOffset.UnixEpoch, default);
        }

        PersistenceOptions there = Options("moved");
        StateCopied moved = await CopyAsync(_folder.Options, there);
        Assert.Equal("here", moved.Cluster);
        Assert.Equal([2, 0, 0, 1, 0], moved.Tables.Select(table => table.Rows));
        // Its own count goes on where the other's had stopped.
        await DecideAsync(there, "c");

        var back = new PersistenceOptions.Sqlite(Path.Combine(_folder.Path, "back"));
        StateCopied returned = await CopyAsync(there, back);
        Assert.Equal(3, returned.Tables[0].Rows);
        Assert.Equal(moved.Tables[3], returned.Tables[3]);
        Assert.Equal(["a", "b", "c"], await ReadAsync(back));
        Assert.Equal(["a", "b"], await ReadAsync(_folder.Options));
        using var copied = new AccessTokens(back, StateFolder.Patience);
        Assert.Equal("t1", Assert.Single(await copied.ListAsync(default)).Id);
    }

    [SkippableFact]
    public async Task Nothing_is_copied_where_there_is_something()
    {
        await DecideAsync(_folder.Options, "a");
        PersistenceOptions there = Options("taken");
        await DecideAsync(there, "b");
        var refused = await Assert.ThrowsAsync<StateDatabaseException>(
            () => CopyAsync(_folder.Options, there));
        Assert.Contains("\"taken\".journal has 1 rows", refused.Message);
        Assert.Equal(["b"], await ReadAsync(there));

        string directory = Path.Combine(_folder.Path, "other");
        Directory.CreateDirectory(directory);
        File.WriteAllText(Path.Combine(directory, "letter"), "dear");
        refused = await Assert.ThrowsAsync<StateDatabaseException>(
            () => CopyAsync(_folder.Options, new PersistenceOptions.Sqlite(directory)));
        Assert.Contains("is not empty", refused.Message);
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_state_that_somebody_works_with_is_not_copied(bool isDestination)
    {
        await DecideAsync(_folder.Options, "a");
        PersistenceOptions there = Options(isDestination ? "used_to" : "used_from");
        await StateDatabase.PrepareAsync(there, StateFolder.Patience, default);
        await using var node = new NpgsqlConnection(server.Connection);
        if (isDestination)
        {
            await node.OpenAsync();
        }

        await using StateOwnership? owner = isDestination
            ? null
            : await StateOwnership.TakeAsync(
                _folder.Options, "here", StateFolder.Patience, default);
        var refused = await Assert.ThrowsAsync<StateDatabaseException>(() => StateCopy.CopyAsync(
            _folder.Options, there, TimeSpan.FromMilliseconds(300), default));
        Assert.Contains(
            isDestination ? "others are connected to it" : "another coordinator works with",
            refused.Message);
    }

    [Fact]
    public async Task A_copy_that_fails_on_the_way_leaves_nothing()
    {
        await DecideAsync(_folder.Options, "a");
        using (var connection = new SqliteConnection(
            $"Data Source={_folder.Options.SnapshotFile};Pooling=False"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "ALTER TABLE snapshot ADD COLUMN later INTEGER";
            command.ExecuteNonQuery();
        }

        string directory = Path.Combine(_folder.Path, "copy");
        var refused = await Assert.ThrowsAsync<StateDatabaseException>(
            () => CopyAsync(_folder.Options, new PersistenceOptions.Sqlite(directory)));
        Assert.Contains("the table snapshot has the columns", refused.Message);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path, "copy*"));
    }

    // The files as they are while a piece is being written are those that a killed node leaves.
    [Fact]
    public async Task Of_a_node_that_was_killed_while_it_wrote_what_it_had_committed_is_copied()
    {
        await DecideAsync(_folder.Options, "a");
        var killed = new PersistenceOptions.Sqlite(Path.Combine(_folder.Path, "killed"));
        using (var writing = new SqliteConnection(
            $"Data Source={_folder.Options.SnapshotFile};Pooling=False"))
        {
            writing.Open();
            using SqliteCommand command = writing.CreateCommand();
            command.CommandText = """
                PRAGMA cache_size = 1;
                BEGIN;
                CREATE TABLE piece (content BLOB);
                INSERT INTO piece VALUES (zeroblob(1000000));
                """;
            command.ExecuteNonQuery();
            Directory.CreateDirectory(killed.Directory);
            foreach (string file in Directory.GetFiles(_folder.Path))
            {
                File.Copy(file, Path.Combine(killed.Directory, Path.GetFileName(file)));
            }
        }

        Assert.True(File.Exists($"{killed.SnapshotFile}-journal"));
        var back = new PersistenceOptions.Sqlite(Path.Combine(_folder.Path, "back"));
        await CopyAsync(killed, back);

        Assert.Equal(["a"], await ReadAsync(back));
    }

    [Fact]
    public async Task Where_there_is_no_state_nothing_is_copied()
    {
        var refused = await Assert.ThrowsAsync<StateDatabaseException>(() => CopyAsync(
            _folder.Options, new PersistenceOptions.Sqlite(Path.Combine(_folder.Path, "copy"))));
        Assert.Contains("there is no cluster's state to copy", refused.Message);
    }

    private static Task<StateCopied> CopyAsync(PersistenceOptions from, PersistenceOptions to) =>
        StateCopy.CopyAsync(from, to, StateFolder.Patience, CancellationToken.None);

    private static async Task DecideAsync(PersistenceOptions options, params string[] entries)
    {
        using ActorSystem system = await StateFolder.StartAsync(options);
        await using StateOwnership owner = await StateOwnership.TakeAsync(
            options, "here", StateFolder.Patience, default);
        IActorRef ledger = system.ActorOf(Ledger.Props("ledger-1"));
        await ledger.Ask<int>(new Ledger.Record(entries), StateFolder.Patience);
        // A snapshot store makes its table when it is first asked.
        await Akka.Persistence.Persistence.Instance.Apply(system)
            .SnapshotStoreFor(PersistenceConfiguration.SnapshotPlugin).Ask<object>(
                new Akka.Persistence.LoadSnapshot(
                    "nobody", Akka.Persistence.SnapshotSelectionCriteria.Latest, 1),
                StateFolder.Patience);
        await system.Terminate();
        SqliteConnection.ClearAllPools();
        NpgsqlConnection.ClearAllPools();
    }

    private static async Task<ImmutableList<string>> ReadAsync(PersistenceOptions options)
    {
        using ActorSystem system = await StateFolder.StartAsync(options);
        var entries = await system.ActorOf(Ledger.Props("ledger-1"))
            .Ask<ImmutableList<string>>(new Ledger.Read(), StateFolder.Patience);
        await system.Terminate();
        NpgsqlConnection.ClearAllPools();
        return entries;
    }

    private PersistenceOptions Options(string schema)
    {
        Skip.If(server.WhyNot is not null, server.WhyNot);
        return new PersistenceOptions.PostgreSql(server.Connection, schema);
    }
}
