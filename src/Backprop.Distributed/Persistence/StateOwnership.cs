using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>
/// A coordinator's hold on its state database, for as long as its process lives: two clusters, or
/// two coordinators, that wrote one journal would destroy each other's runs. The operating system,
/// or the database, lets go of it when the process dies.
/// </summary>
public sealed class StateOwnership : IAsyncDisposable
{
    private const string LockFile = "coordinator.lock";
    private const string NameFile = "cluster";

    // "BKPD", and what of it is locked: the two-number form has keys of its own.
    private const int ApplicationMark = 0x424B5044;

    private static readonly TimeSpan s_retry = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan s_ping = TimeSpan.FromSeconds(3);

    // A session of ours that the server has not noticed to be gone may keep the lock for a while.
    private static readonly TimeSpan s_mostForReturn = TimeSpan.FromMinutes(2);

    private readonly CancellationTokenSource _ending = new();
    private readonly TaskCompletionSource<string> _lost =
        new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FileStream? _file;
    private NpgsqlConnection? _session;
    private Task _watching = Task.CompletedTask;

    private StateOwnership()
    {
    }

    /// <summary>Completes with the reason if another coordinator has the database now.</summary>
    public Task<string> Lost => _lost.Task;

    /// <summary>Takes hold of a database that <see cref="StateDatabase"/> has made ready.</summary>
    /// <param name="options">Which database.</param>
    /// <param name="cluster">The cluster's name.</param>
    /// <param name="patience">How long a coordinator that is just ending is waited for.</param>
    /// <param name="cancellation">Before the next attempt.</param>
    /// <exception cref="StateDatabaseException">Another coordinator has it, or it belongs to
    /// another cluster.</exception>
    public static async Task<StateOwnership> TakeAsync(
        PersistenceOptions options, string cluster, TimeSpan patience,
        CancellationToken cancellation)
    {
        var taken = new StateOwnership();
        try
        {
            switch (options)
            {
                case PersistenceOptions.Sqlite sqlite:
                    RequireName(sqlite.Directory, cluster);
                    taken._file = await LockAsync(sqlite.Directory, patience, cancellation)
                        .ConfigureAwait(false);
                    File.WriteAllText(Path.Combine(sqlite.Directory, NameFile), cluster);
                    break;
                case PersistenceOptions.PostgreSql postgres:
                    taken._session = await LockAsync(postgres, cluster, patience, cancellation)
                        .ConfigureAwait(false);
                    taken._watching = taken.WatchAsync(postgres, cluster);
                    break;
                default:
                    throw new ArgumentException($"unknown options {options}");
            }

            return taken;
        }
        catch (NpgsqlException failure)
        {
            throw new StateDatabaseException(
                $"the state database cannot be reached: {failure.Message}", failure);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await _watching.ConfigureAwait(false);
        if (_session is not null)
        {
            await _session.DisposeAsync().ConfigureAwait(false);
        }

        _file?.Dispose();
        _ending.Dispose();
    }

    /// <summary>The cluster that a directory belongs to; null: to none yet.</summary>
    internal static string? NameIn(string directory) =>
        Path.Combine(directory, NameFile) is var file && File.Exists(file)
            ? File.ReadAllText(file).Trim()
            : null;

    private static void RequireName(string directory, string cluster)
    {
        if (NameIn(directory) is { } owner && owner != cluster)
        {
            throw OfAnother($"the state directory {directory}", owner, cluster);
        }
    }

    private static StateDatabaseException OfAnother(string what, string owner, string cluster) =>
        new($"{what} belongs to cluster '{owner}', and this node is of cluster '{cluster}': use"
            + " another state directory or database, or that name");

    private static StateDatabaseException Held(string what, TimeSpan patience) =>
        new($"another coordinator works with {what}, and did for {patience.TotalSeconds:0.#} s: end"
            + " it, or use another state directory or database");

    private static async Task<FileStream> LockAsync(
        string directory, TimeSpan patience, CancellationToken cancellation)
    {
        long began = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(
                    Path.Combine(directory, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite,
                    FileShare.None);
            }
            catch (IOException) when (TimeProvider.System.GetElapsedTime(began) < patience)
            {
                await Task.Delay(s_retry, cancellation).ConfigureAwait(false);
            }
            catch (IOException)
            {
                throw Held($"the state directory {directory}", patience);
            }
        }
    }

    private static async Task<NpgsqlConnection> LockAsync(
        PersistenceOptions.PostgreSql options, string cluster, TimeSpan patience,
        CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(options.Connection) { Pooling = false }.ToString());
        string what = $"schema {options.Schema} of the database {connection.Database}";
        try
        {
            await connection.OpenAsync(cancellation).ConfigureAwait(false);
            await RequireNameAsync(connection, options.Schema, cluster, what, cancellation)
                .ConfigureAwait(false);
            long began = TimeProvider.System.GetTimestamp();
            while (!await TryLockAsync(connection, options.Schema, cancellation)
                .ConfigureAwait(false))
            {
                if (TimeProvider.System.GetElapsedTime(began) >= patience)
                {
                    throw Held(what, patience);
                }

                await Task.Delay(s_retry, cancellation).ConfigureAwait(false);
            }

            return connection;
        }
        catch
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static async Task RequireNameAsync(
        NpgsqlConnection connection, string schema, string cluster, string what,
        CancellationToken cancellation)
    {
        string table = $"\"{schema.Replace("\"", "\"\"")}\".cluster";
        await using NpgsqlTransaction transaction =
            await connection.BeginTransactionAsync(cancellation).ConfigureAwait(false);
        await using var write = new NpgsqlCommand(
            $"""
            SELECT pg_advisory_xact_lock({ApplicationMark});
            CREATE TABLE IF NOT EXISTS {table} (name text NOT NULL);
            INSERT INTO {table} SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM {table});
            """.Replace("$1", $"'{cluster.Replace("'", "''")}'"), connection, transaction);
        await write.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        await using var read = new NpgsqlCommand(
            $"SELECT min(name) FROM {table}", connection, transaction);
        object? owner = await read.ExecuteScalarAsync(cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(cancellation).ConfigureAwait(false);
        if (owner is not string name || name != cluster)
        {
            throw OfAnother(what, $"{owner}", cluster);
        }
    }

    private static async Task<bool> TryLockAsync(
        NpgsqlConnection connection, string schema, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(
            "SELECT pg_try_advisory_lock($1, hashtext($2))", connection)
        {
            Parameters =
            {
                new NpgsqlParameter { Value = ApplicationMark },
                new NpgsqlParameter { Value = schema },
            },
        };
        return await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false) is true;
    }

    // The lock is the session's: one that has broken, since the server was away, is made good.
    private async Task WatchAsync(PersistenceOptions.PostgreSql options, string cluster)
    {
        long? awaySince = null;
        while (!_ending.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(s_ping, _ending.Token).ConfigureAwait(false);
                if (awaySince is null)
                {
                    await using var ping = new NpgsqlCommand("SELECT 1", _session);
                    await ping.ExecuteScalarAsync(_ending.Token).ConfigureAwait(false);
                }
                else
                {
                    NpgsqlConnection session = await LockAsync(
                        options, cluster, TimeSpan.Zero, _ending.Token).ConfigureAwait(false);
                    await _session!.DisposeAsync().ConfigureAwait(false);
                    _session = session;
                    awaySince = null;
                }
            }
            catch (NpgsqlException)
            {
                // As long as nobody has a session, nobody has the lock.
                awaySince = TimeProvider.System.GetTimestamp();
            }
            catch (StateDatabaseException held)
            {
                if (TimeProvider.System.GetElapsedTime(awaySince!.Value) >= s_mostForReturn)
                {
                    _lost.TrySetResult(held.Message);
                    return;
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }
}
