using System.Diagnostics.Metrics;
using Backprop.Distributed.Metering;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>Whether a node reaches its state database, asked anew when somebody wants to know and
/// the last answer is old. Nobody waits for a database that is away.</summary>
public sealed class StateWatch : IDisposable
{
    // SQLite's result codes.
    private const int SqliteBusy = 5;
    private const int SqliteLocked = 6;

    private static readonly Watched<StateWatch> s_all = new();
    private static readonly TimeSpan s_fresh = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(3);

    private readonly PersistenceOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _ending = new();
    private Task<string?> _asked = Task.FromResult<string?>(null);
    private string? _reason;
    private long? _askedAt;

    static StateWatch() => NodeMeter.Meter.CreateObservableGauge(
        "backprop.database.up", () => s_all.Measure<long>(
            one => [new Measurement<long>(one.Trouble() is null ? 1 : 0)]),
        description: "1 while the node reaches its state database, else 0");

    /// <summary>Of a database that is ready: until it is asked for the first time, it is there.
    /// </summary>
    public StateWatch(PersistenceOptions options, TimeProvider time)
    {
        _options = options;
        _time = time;
        s_all.Add(this);
    }

    /// <summary>Why the database was not reached when it was asked last; null: it was. Asks again,
    /// in the background, when that is a while ago.</summary>
    public string? Trouble()
    {
        lock (_gate)
        {
            if (_asked.IsCompletedSuccessfully)
            {
                _reason = _asked.Result;
            }

            bool isOld = _askedAt is not { } at || _time.GetElapsedTime(at) >= s_fresh;
            if (isOld && _asked.IsCompleted && !_ending.IsCancellationRequested)
            {
                _askedAt = _time.GetTimestamp();
                _asked = Task.Run(() => AskAsync(_options, s_limit, _ending.Token));
            }

            return _reason;
        }
    }

    /// <summary>Asks a database for a sign of life.</summary>
    /// <returns>Why there is none; null: there is one.</returns>
    public static async Task<string?> AskAsync(
        PersistenceOptions options, TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            switch (options)
            {
                case PersistenceOptions.Sqlite sqlite:
                    Ask(sqlite, limit);
                    break;
                case PersistenceOptions.PostgreSql postgres:
                    await AskAsync(postgres, limit, cancellation).ConfigureAwait(false);
                    break;
                default:
                    throw new ArgumentException($"unknown options {options}");
            }

            return null;
        }
        catch (SqliteException busy) when (busy.SqliteErrorCode is SqliteBusy or SqliteLocked)
        {
            return null; // Somebody writes a checkpoint.
        }
        catch (Exception failure) when (failure is SqliteException or NpgsqlException
            or IOException or TimeoutException or OperationCanceledException)
        {
            return failure.Message;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        s_all.Remove(this);
        _ending.Cancel();
    }

    private static void Ask(PersistenceOptions.Sqlite options, TimeSpan limit)
    {
        foreach (string file in new[] { options.JournalFile, options.SnapshotFile })
        {
            using var connection = new SqliteConnection(new SqliteConnectionStringBuilder
            {
                DataSource = file,
                Mode = SqliteOpenMode.ReadWrite,
                DefaultTimeout = (int)limit.TotalSeconds,
                Pooling = false,
            }.ToString());
            connection.Open();
            using SqliteCommand ask = connection.CreateCommand();
            ask.CommandText = "PRAGMA user_version";
            ask.ExecuteScalar();
        }
    }

    private static async Task AskAsync(
        PersistenceOptions.PostgreSql options, TimeSpan limit, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(limit);
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(options.Connection)
            {
                Timeout = (int)limit.TotalSeconds,
                CommandTimeout = (int)limit.TotalSeconds,
                Pooling = false,
            }.ToString());
        await connection.OpenAsync(deadline.Token).ConfigureAwait(false);
        await using var ask = new NpgsqlCommand("SELECT 1", connection);
        await ask.ExecuteScalarAsync(deadline.Token).ConfigureAwait(false);
    }
}
