using System.Collections.Immutable;
using System.Data;
using System.Data.Common;
using Akka.Actor;
using Akka.Configuration;
using Akka.Persistence;
using Backprop.Distributed.Access;
using Backprop.Distributed.Serialization;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>What was copied.</summary>
/// <param name="Cluster">The cluster whose state it is.</param>
/// <param name="Tables">Each table, as it was read in both databases.</param>
public sealed record StateCopied(string Cluster, ImmutableArray<TableContent> Tables);

/// <summary>
/// Copies a cluster's state from one database into another that is empty, of the same kind or the
/// other: all of it or nothing, and only while no coordinator works with either.
/// </summary>
public static class StateCopy
{
    private static readonly TimeSpan s_mostForTables = TimeSpan.FromSeconds(60);

    /// <summary>Copies. The source stays as it is.</summary>
    /// <param name="from">The source.</param>
    /// <param name="to">Where to; a directory of SQLite's must not be there yet, or be empty.
    /// </param>
    /// <param name="patience">How long a lock or a connection is waited for.</param>
    /// <param name="cancellation">Ends it early: nothing is copied then.</param>
    /// <exception cref="StateDatabaseException">It cannot be copied; the message says why.
    /// </exception>
    public static async Task<StateCopied> CopyAsync(
        PersistenceOptions from, PersistenceOptions to, TimeSpan patience,
        CancellationToken cancellation)
    {
        string name = $"backprop state copy {Guid.NewGuid():n}";
        from = Named(from, name);
        to = Named(to, name);
        string cluster = await RequireSourceAsync(from, patience, cancellation)
            .ConfigureAwait(false);
        try
        {
            await using StateOwnership ours = await StateOwnership.TakeAsync(
                from, cluster, patience, cancellation).ConfigureAwait(false);
            await RequireAloneAsync(from, "is copied from", cancellation).ConfigureAwait(false);
            return to is PersistenceOptions.Sqlite directory
                ? await IntoDirectoryAsync(from, directory, cluster, patience, cancellation)
                    .ConfigureAwait(false)
                : await IntoAsync(from, to, cluster, patience, cancellation)
                    .ConfigureAwait(false);
        }
        catch (DbException failure)
        {
            throw new StateDatabaseException(
                $"the state cannot be copied: {failure.Message}; nothing was", failure);
        }
    }

    private static async Task<string> RequireSourceAsync(
        PersistenceOptions from, TimeSpan patience, CancellationToken cancellation)
    {
        StateExamination found = await StateExamination.OfAsync(from, patience, cancellation)
            .ConfigureAwait(false);
        if (found.Refusal is { } refusal)
        {
            throw new StateDatabaseException($"the state cannot be copied: {refusal}");
        }

        return found.Cluster ?? throw new StateDatabaseException(
            $"there is no cluster's state to copy: {found.Text}");
    }

    // Several coordinators have no hold on the database, but sessions.
    private static async Task RequireAloneAsync(
        PersistenceOptions options, string what, CancellationToken cancellation)
    {
        if (options is not PersistenceOptions.PostgreSql postgres)
        {
            return;
        }

        await using var connection = new NpgsqlConnection(Unpooled(postgres));
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        await using var count = new NpgsqlCommand(
            """
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND usename = current_user
                AND application_name <> current_setting('application_name')
            """, connection);
        object? others = await count.ExecuteScalarAsync(cancellation).ConfigureAwait(false);
        if (others is not 0L)
        {
            throw new StateDatabaseException(
                $"the database {connection.Database} {what} while others are connected to it as the"
                + $" same user, {others} times: end the nodes first");
        }
    }

    // Sessions of this copy are told from those of nodes by their name.
    private static PersistenceOptions Named(PersistenceOptions options, string name) =>
        options is PersistenceOptions.PostgreSql postgres
            ? postgres with
            {
                Connection = new NpgsqlConnectionStringBuilder(postgres.Connection)
                {
                    ApplicationName = name,
                }.ToString(),
            }
            : options;

    // In a directory beside it, which takes its name when it is whole.
    private static async Task<StateCopied> IntoDirectoryAsync(
        PersistenceOptions from, PersistenceOptions.Sqlite to, string cluster, TimeSpan patience,
        CancellationToken cancellation)
    {
        string directory = Path.TrimEndingDirectorySeparator(Path.GetFullPath(to.Directory));
        if (Directory.Exists(directory) && Directory.EnumerateFileSystemEntries(directory).Any())
        {
            throw new StateDatabaseException(
                $"the directory {directory} is not empty: name one that is, or that is not there"
                + " yet");
        }

        string unfinished = $"{directory}.copying";
        try
        {
            // What an attempt has left that was killed.
            Delete(unfinished);
            StateCopied copied = await IntoAsync(
                from, to with { Directory = unfinished }, cluster, patience, cancellation)
                .ConfigureAwait(false);
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory);
            }

            SqliteConnection.ClearAllPools();
            Directory.Move(unfinished, directory);
            return copied;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new StateDatabaseException(
                $"the directory {directory} cannot be made: {failure.Message}", failure);
        }
        finally
        {
            Delete(unfinished);
        }
    }

    private static void Delete(string directory)
    {
        SqliteConnection.ClearAllPools();
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<StateCopied> IntoAsync(
        PersistenceOptions from, PersistenceOptions to, string cluster, TimeSpan patience,
        CancellationToken cancellation)
    {
        await MakeTablesAsync(to, patience, cancellation).ConfigureAwait(false);
        await using StateOwnership ours = await StateOwnership.TakeAsync(
            to, cluster, patience, cancellation).ConfigureAwait(false);
        await RequireAloneAsync(to, "is copied into", cancellation).ConfigureAwait(false);
        await using Ends source = await Ends.OpenAsync(from, patience, cancellation)
            .ConfigureAwait(false);
        await using Ends destination = await Ends.OpenAsync(to, patience, cancellation)
            .ConfigureAwait(false);
        var tables = ImmutableArray.CreateBuilder<TableContent>();
        foreach (StateTable table in (StateTable[])
            [StateTable.Journal, StateTable.Tags, StateTable.Snapshots, StateTable.Tokens,
                StateTable.Sessions])
        {
            if (source.Of(table) is { } one && destination.Of(table) is { } other)
            {
                tables.Add(await CopyAsync(table, one, other, cancellation).ConfigureAwait(false));
            }
        }

        await destination.CommitAsync(cancellation).ConfigureAwait(false);
        return new StateCopied(cluster, tables.ToImmutable());
    }

    private static async Task<TableContent> CopyAsync(
        StateTable table, TableEnd from, TableEnd to, CancellationToken cancellation)
    {
        TableContent before = await table.ReadAsync(to, _ => Task.CompletedTask, cancellation)
            .ConfigureAwait(false);
        if (before.Rows > 0)
        {
            throw new StateDatabaseException(
                $"the table {to.NameOf(table.Name)} has {before.Rows:N0} rows: the state is copied"
                + " only where there is none; name another schema or database");
        }

        await using DbCommand insertion = table.Insertion(to);
        TableContent copied = await table.ReadAsync(
            from,
            async row =>
            {
                table.Fill(insertion, row, to);
                await insertion.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
            },
            cancellation).ConfigureAwait(false);
        TableContent found = await table.ReadAsync(to, _ => Task.CompletedTask, cancellation)
            .ConfigureAwait(false);
        if (found != copied)
        {
            throw new StateDatabaseException(
                $"the table {table.Name} was read back with {found.Rows:N0} rows and SHA-256"
                + $" {found.Sha256}, where {copied.Rows:N0} rows and {copied.Sha256} were written;"
                + " nothing was copied");
        }

        if (to.IsPostgreSql && table == StateTable.Journal)
        {
            await using DbCommand count = to.Command(
                $"SELECT setval(pg_get_serial_sequence('{to.NameOf(table.Name)}', 'ordering'),"
                + $" max(ordering)) FROM {to.NameOf(table.Name)}");
            await count.ExecuteScalarAsync(cancellation).ConfigureAwait(false);
        }

        return copied;
    }

    // As the nodes make them: by the journal and the snapshot store themselves.
    private static async Task MakeTablesAsync(
        PersistenceOptions to, TimeSpan patience, CancellationToken cancellation)
    {
        await StateDatabase.PrepareAsync(to, patience, cancellation).ConfigureAwait(false);
        using var access = new AccessDatabase(to, patience);
        await access.UseAsync(_ => Task.FromResult(true), cancellation).ConfigureAwait(false);
        using ActorSystem system = ActorSystem.Create(
            "copy",
            ConfigurationFactory.ParseString("akka.loglevel = OFF, akka.stdout-loglevel = OFF")
                .WithFallback(SerializationConfiguration.Config)
                .WithFallback(PersistenceConfiguration.ToAkka(to)));
        try
        {
            Akka.Persistence.PersistenceExtension stores =
                Akka.Persistence.Persistence.Instance.Apply(system);
            await stores.JournalFor(PersistenceConfiguration.JournalPlugin).Ask<object>(
                asker => new ReplayMessages(1, 1, 1, "nobody", asker), s_mostForTables,
                cancellation).ConfigureAwait(false);
            await stores.SnapshotStoreFor(PersistenceConfiguration.SnapshotPlugin).Ask<object>(
                new LoadSnapshot("nobody", SnapshotSelectionCriteria.Latest, 1), s_mostForTables,
                cancellation).ConfigureAwait(false);
        }
        catch (AskTimeoutException silence)
        {
            throw new StateDatabaseException(
                $"{to}: the tables could not be made within {s_mostForTables.TotalSeconds:0} s",
                silence);
        }
        finally
        {
            await system.Terminate().ConfigureAwait(false);
        }
    }

    private static string Unpooled(PersistenceOptions.PostgreSql options) =>
        new NpgsqlConnectionStringBuilder(options.Connection) { Pooling = false }.ToString();

    /// <summary>The connections to one database: SQLite has a file for each part.</summary>
    private sealed class Ends : IAsyncDisposable
    {
        private readonly Dictionary<string, TableEnd?> _byPart = [];

        public static async Task<Ends> OpenAsync(
            PersistenceOptions options, TimeSpan patience, CancellationToken cancellation)
        {
            var ends = new Ends();
            try
            {
                if (options is PersistenceOptions.Sqlite sqlite)
                {
                    foreach (string file in
                        (string[])[sqlite.JournalFile, sqlite.SnapshotFile, sqlite.AccessFile])
                    {
                        ends._byPart[file] = await OpenAsync(file, patience, cancellation)
                            .ConfigureAwait(false);
                    }

                    ends.Of = table => ends._byPart[
                        table == StateTable.Journal || table == StateTable.Tags
                            ? sqlite.JournalFile
                            : table == StateTable.Snapshots ? sqlite.SnapshotFile
                            : sqlite.AccessFile];
                    return ends;
                }

                var postgres = (PersistenceOptions.PostgreSql)options;
                var connection = new NpgsqlConnection(Unpooled(postgres));
                await connection.OpenAsync(cancellation).ConfigureAwait(false);
                var all = new TableEnd(
                    connection,
                    await connection.BeginTransactionAsync(
                        IsolationLevel.RepeatableRead, cancellation).ConfigureAwait(false),
                    postgres.Schema);
                ends._byPart[""] = all;
                bool hasAccess = await HasAsync(all, StateTable.Tokens, cancellation)
                    .ConfigureAwait(false);
                ends.Of = table =>
                    table == StateTable.Tokens || table == StateTable.Sessions
                        ? hasAccess ? all : null
                        : all;
                return ends;
            }
            catch
            {
                await ends.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }

        /// <summary>Where a table lies; null: the database has none.</summary>
        public Func<StateTable, TableEnd?> Of { get; private set; } = _ => null;

        public async Task CommitAsync(CancellationToken cancellation)
        {
            foreach (TableEnd? end in _byPart.Values)
            {
                await (end?.Transaction.CommitAsync(cancellation) ?? Task.CompletedTask)
                    .ConfigureAwait(false);
            }
        }

        public async ValueTask DisposeAsync()
        {
            foreach (TableEnd? end in _byPart.Values)
            {
                await (end?.DisposeAsync() ?? ValueTask.CompletedTask).ConfigureAwait(false);
            }
        }

        // Nobody writes the file until the transaction ends. There are tokens only where one was
        // made.
        private static async Task<TableEnd?> OpenAsync(
            string file, TimeSpan patience, CancellationToken cancellation)
        {
            if (!File.Exists(file))
            {
                return null;
            }

            var connection = new SqliteConnection(new SqliteConnectionStringBuilder
            {
                DataSource = file,
                Mode = SqliteOpenMode.ReadWrite,
                DefaultTimeout = (int)Math.Max(1, Math.Ceiling(patience.TotalSeconds)),
                Pooling = false,
            }.ToString());
            await connection.OpenAsync(cancellation).ConfigureAwait(false);
            return new TableEnd(connection, connection.BeginTransaction(deferred: false), null);
        }

        private static async Task<bool> HasAsync(
            TableEnd end, StateTable table, CancellationToken cancellation)
        {
            await using DbCommand look =
                end.Command($"SELECT to_regclass('{end.NameOf(table.Name)}') IS NOT NULL");
            return await look.ExecuteScalarAsync(cancellation).ConfigureAwait(false) is true;
        }
    }
}
