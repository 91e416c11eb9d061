using System.Net.Sockets;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>The database cannot be used; the message says which, why, and what would do.</summary>
public sealed class StateDatabaseException : Exception
{
    /// <summary>With a message for the user and what led to it.</summary>
    public StateDatabaseException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}

/// <summary>
/// Makes a database ready before the first actor needs it: what is wrong with it is then said
/// plainly and at once, where the plugins would try again in the background.
/// </summary>
public static class StateDatabase
{
    /// <summary>What is stored, and how. Every later version reads it, or says that it cannot.
    /// </summary>
    public const int FormatVersion = 1;

    // "BKPD": says whose a SQLite file is, and names our lock in PostgreSQL.
    private const int ApplicationMark = 0x424B5044;

    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(250);

    // SQLite's result codes.
    private const int SqliteBusy = 5;
    private const int SqliteLocked = 6;
    private const int SqliteReadOnly = 8;

    /// <summary>Makes what is missing, and checks that the database can be written and is of a
    /// format that this program reads.</summary>
    /// <param name="options">Which database.</param>
    /// <param name="patience">How long a lock or a connection is waited for, and a server that is
    /// not up yet, or whose name nobody knows yet.</param>
    /// <param name="cancellation">Before the next statement.</param>
    /// <param name="waits">Told once, in words, if the server is not up and is waited for.</param>
    /// <exception cref="StateDatabaseException">It cannot be used.</exception>
    public static async Task PrepareAsync(
        PersistenceOptions options, TimeSpan patience, CancellationToken cancellation,
        Action<string>? waits = null)
    {
        switch (options)
        {
            case PersistenceOptions.Sqlite sqlite:
                PrepareDirectory(sqlite.Directory);
                // The write-ahead log makes single events twice as fast and long pieces slower.
                PrepareFile(sqlite.JournalFile, "wal", patience);
                PrepareFile(sqlite.SnapshotFile, "delete", patience);
                break;
            case PersistenceOptions.PostgreSql postgres:
                await PrepareAsync(postgres, patience, waits, cancellation).ConfigureAwait(false);
                break;
            default:
                throw new ArgumentException($"unknown options {options}");
        }
    }

    /// <summary>Makes the file of tokens ready. Nobody but its owner is to write it, since who
    /// does has made a token; and it is made only where there are tokens.</summary>
    internal static void PrepareAccess(PersistenceOptions.Sqlite options, TimeSpan patience)
    {
        PrepareDirectory(options.Directory);
        try
        {
            var create = new FileStreamOptions
            {
                Mode = FileMode.OpenOrCreate,
                Access = FileAccess.ReadWrite,
                Share = FileShare.ReadWrite | FileShare.Delete,
            };
            if (!OperatingSystem.IsWindows())
            {
                create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            new FileStream(options.AccessFile, create).Dispose();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new StateDatabaseException(
                $"the database {options.AccessFile} cannot be made: {failure.Message}", failure);
        }

        PrepareFile(options.AccessFile, "delete", patience);
    }

    private static void PrepareDirectory(string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new StateDatabaseException(
                $"the state directory {directory} cannot be made: {failure.Message}", failure);
        }
    }

    private static void PrepareFile(string file, string journalMode, TimeSpan patience)
    {
        var connectionString = new SqliteConnectionStringBuilder
        {
            DataSource = file,
            DefaultTimeout = (int)Math.Max(1, Math.Ceiling(patience.TotalSeconds)),
            Pooling = false,
        };
        try
        {
            using var connection = new SqliteConnection(connectionString.ToString());
            connection.Open();
            CheckFormat(connection, file);
            Scalar(connection, $"PRAGMA journal_mode = {journalMode}");
            Scalar(connection, $"PRAGMA application_id = {ApplicationMark}");
            Scalar(connection, $"PRAGMA user_version = {FormatVersion}");
        }
        catch (SqliteException failure)
            when (failure.SqliteErrorCode is SqliteBusy or SqliteLocked)
        {
            throw new StateDatabaseException(
                $"the database {file} is locked by another process, and was for"
                + $" {patience.TotalSeconds:0.#} s: end that process, or use another state"
                + " directory", failure);
        }
        catch (SqliteException failure)
        {
            throw new StateDatabaseException(
                $"the database {file} cannot be used: {failure.Message}", failure);
        }
    }

    /// <summary>Refuses a file that this program does not read, and leaves it as it is. But where a
    /// process was killed while it wrote, SQLite itself first takes back what was not committed, as
    /// it does for whoever opens the file next.</summary>
    /// <exception cref="StateDatabaseException">It does not; the message says why.</exception>
    internal static void RequireFormat(string file, TimeSpan patience)
    {
        try
        {
            RequireFormat(file, SqliteOpenMode.ReadOnly, patience);
        }
        catch (SqliteException failure) when (failure.SqliteErrorCode == SqliteReadOnly)
        {
            RequireFormat(file, SqliteOpenMode.ReadWrite, patience);
        }
    }

    private static void RequireFormat(string file, SqliteOpenMode mode, TimeSpan patience)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = file,
            Mode = mode,
            DefaultTimeout = (int)Math.Max(1, Math.Ceiling(patience.TotalSeconds)),
            Pooling = false,
        }.ToString());
        connection.Open();
        CheckFormat(connection, file);
    }

    private static void CheckFormat(SqliteConnection connection, string file)
    {
        long application = Scalar(connection, "PRAGMA application_id");
        long version = Scalar(connection, "PRAGMA user_version");
        long tables = Scalar(connection, "SELECT count(*) FROM sqlite_master");
        if (application != ApplicationMark && (application != 0 || tables > 0))
        {
            throw new StateDatabaseException(
                $"the database {file} was made by another program: use another state directory");
        }

        if (version > FormatVersion)
        {
            throw new StateDatabaseException(
                $"the database {file} was written by a later version of this program: it is of"
                + $" format {version}, where this one reads up to {FormatVersion}");
        }
    }

    private static long Scalar(SqliteConnection connection, string text)
    {
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = text;
        return command.ExecuteScalar() is long value ? value : 0;
    }

    private static async Task PrepareAsync(
        PersistenceOptions.PostgreSql options, TimeSpan patience, Action<string>? waits,
        CancellationToken cancellation)
    {
        NpgsqlConnectionStringBuilder builder = Parse(options.Connection, patience);
        string where = $"the database {builder.Database} on {builder.Host}:{builder.Port}";
        long began = TimeProvider.System.GetTimestamp();
        bool isTold = false;
        while (true)
        {
            try
            {
                TimeSpan left = patience - TimeProvider.System.GetElapsedTime(began);
                builder.Timeout = (int)Math.Max(1, Math.Ceiling(left.TotalSeconds));
                await using var connection = new NpgsqlConnection(builder.ToString());
                await connection.OpenAsync(cancellation).ConfigureAwait(false);
                await PrepareSchemaAsync(connection, options.Schema, where, cancellation)
                    .ConfigureAwait(false);
                return;
            }
            catch (Exception failure) when (IsNotUpYet(failure)
                && TimeProvider.System.GetElapsedTime(began) < patience)
            {
                if (!isTold)
                {
                    isTold = true;
                    waits?.Invoke(
                        $"waiting up to {patience.TotalSeconds:0.#} s for {where}:"
                        + $" {failure.Message}");
                }

                await Task.Delay(s_retry, cancellation).ConfigureAwait(false);
            }
            catch (PostgresException refusal)
            {
                throw new StateDatabaseException(
                    $"{where} cannot be used: {refusal.MessageText} ({refusal.SqlState})", refusal);
            }
            catch (Exception failure) when (failure is NpgsqlException or SocketException)
            {
                throw new StateDatabaseException(
                    $"{where} cannot be reached: {failure.Message}", failure);
            }
        }
    }

    // A server that starts beside the node, or is just being moved: nobody listens there, its name
    // is not known, or it says that it has only begun.
    private static bool IsNotUpYet(Exception failure) =>
        failure is PostgresException refusal
            ? refusal.SqlState == PostgresErrorCodes.CannotConnectNow
            : (failure as SocketException ?? failure.InnerException as SocketException) is
            {
                SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound
                    or SocketError.TryAgain or SocketError.NoData or SocketError.HostUnreachable
                    or SocketError.NetworkUnreachable,
            };

    private static NpgsqlConnectionStringBuilder Parse(string connection, TimeSpan patience)
    {
        try
        {
            return new NpgsqlConnectionStringBuilder(connection)
            {
                Timeout = (int)Math.Max(1, Math.Ceiling(patience.TotalSeconds)),
                Pooling = false,
            };
        }
        catch (ArgumentException failure)
        {
            // The text may hold a password, so it is not repeated.
            throw new StateDatabaseException(
                "the connection string of PostgreSQL cannot be read; it would be like"
                + " Host=db;Database=backprop;Username=backprop;Password=...", failure);
        }
    }

    private static async Task PrepareSchemaAsync(
        NpgsqlConnection connection, string schema, string where, CancellationToken cancellation)
    {
        string name = $"\"{schema.Replace("\"", "\"\"")}\"";
        // Two nodes that start at once would both find the schema missing.
        await using NpgsqlTransaction transaction =
            await connection.BeginTransactionAsync(cancellation).ConfigureAwait(false);
        await using var prepare = new NpgsqlCommand(
            $"""
            SELECT pg_advisory_xact_lock({ApplicationMark});
            CREATE SCHEMA IF NOT EXISTS {name};
            CREATE TABLE IF NOT EXISTS {name}.format (version integer NOT NULL);
            INSERT INTO {name}.format SELECT {FormatVersion}
                WHERE NOT EXISTS (SELECT 1 FROM {name}.format);
            """, connection, transaction);
        await prepare.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        await using var read = new NpgsqlCommand(
            $"SELECT max(version) FROM {name}.format", connection, transaction);
        object? version = await read.ExecuteScalarAsync(cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(cancellation).ConfigureAwait(false);
        if (version is not int found || found > FormatVersion)
        {
            throw new StateDatabaseException(
                $"{where} was written by a later version of this program: it is of format"
                + $" {version}, where this one reads up to {FormatVersion}");
        }
    }
}
