using Microsoft.Data.Sqlite;
using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>What a look at a state database has found, which changes nothing in it.</summary>
/// <param name="Text">What it is, in words.</param>
/// <param name="Refusal">Why it cannot be used, in words; null: it can.</param>
/// <param name="Cluster">The cluster that it belongs to; null: to none yet.</param>
/// <param name="Skew">How far this machine's time of day is ahead of its; null: it is of this
/// machine.</param>
public sealed record StateExamination(
    string Text, string? Refusal = null, string? Cluster = null, TimeSpan? Skew = null)
{
    private const int LeastPostgreSql = 13;

    /// <summary>Looks at a database.</summary>
    /// <param name="options">Which it is.</param>
    /// <param name="limit">How long it is waited for.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static async Task<StateExamination> OfAsync(
        PersistenceOptions options, TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            return options switch
            {
                PersistenceOptions.Sqlite sqlite => Of(sqlite, limit),
                PersistenceOptions.PostgreSql postgres =>
                    await OfAsync(postgres, limit, cancellation).ConfigureAwait(false),
                _ => throw new ArgumentException($"unknown options {options}"),
            };
        }
        catch (Exception failure) when (failure is SqliteException or NpgsqlException
            or IOException or UnauthorizedAccessException or StateDatabaseException)
        {
            return new StateExamination(NameOf(options), failure.Message);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return new StateExamination(
                NameOf(options), $"{NameOf(options)}: no answer within {limit.TotalSeconds:0} s");
        }
    }

    private static string NameOf(PersistenceOptions options) =>
        options is PersistenceOptions.Sqlite ? "SQLite" : "PostgreSQL";

    private static StateExamination Of(PersistenceOptions.Sqlite options, TimeSpan limit)
    {
        string where = $"SQLite in {Path.GetFullPath(options.Directory)}";
        string[] files =
            [.. new[] { options.JournalFile, options.SnapshotFile }.Where(File.Exists)];
        foreach (string file in files)
        {
            StateDatabase.RequireFormat(file, limit);
        }

        return new StateExamination(
            files.Length == 0
                ? $"{where}, where nothing is yet"
                : $"{where}, {files.Sum(file => new FileInfo(file).Length) >> 20:N0} MiB",
            Cluster: StateOwnership.NameIn(options.Directory));
    }

    private static async Task<StateExamination> OfAsync(
        PersistenceOptions.PostgreSql options, TimeSpan limit, CancellationToken cancellation)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        deadline.CancelAfter(limit);
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(options.Connection)
            {
                Timeout = (int)limit.TotalSeconds,
                Pooling = false,
            }.ToString());
        await connection.OpenAsync(deadline.Token).ConfigureAwait(false);
        (bool isStandby, bool hasSchema, bool mayWrite, DateTime now) =
            await LookAsync(connection, options.Schema, deadline.Token).ConfigureAwait(false);
        string where = $"PostgreSQL {connection.PostgreSqlVersion}, schema {options.Schema}"
            + $" of {connection.Database}";
        string? refusal =
            connection.PostgreSqlVersion.Major < LeastPostgreSql
                ? $"{where}: version {LeastPostgreSql} is the least"
            : isStandby ? $"{where}: it is a standby, which cannot be written"
            : !mayWrite ? $"{where}: the user may not {(hasSchema ? "write" : "make")} the schema"
            : null;
        int? format = hasSchema
            ? await TryReadAsync<int>(connection, options.Schema, "format", "max(version)",
                deadline.Token).ConfigureAwait(false) as int?
            : null;
        if (format > StateDatabase.FormatVersion)
        {
            refusal ??= $"{where}: it was written by a later version of this program";
        }

        string? cluster = hasSchema
            ? await TryReadAsync<string>(connection, options.Schema, "cluster", "min(name)",
                deadline.Token).ConfigureAwait(false) as string
            : null;
        return new StateExamination(
            format is null ? $"{where}, where nothing is yet" : where, refusal, cluster,
            DateTime.UtcNow - now);
    }

    private static async Task<(bool IsStandby, bool HasSchema, bool MayWrite, DateTime Now)>
        LookAsync(NpgsqlConnection connection, string schema, CancellationToken cancellation)
    {
        await using var look = new NpgsqlCommand(
            """
            SELECT pg_is_in_recovery(), to_regnamespace($1) IS NOT NULL,
                CASE WHEN to_regnamespace($1) IS NULL
                    THEN has_database_privilege(current_database(), 'CREATE')
                    ELSE has_schema_privilege(to_regnamespace($1), 'CREATE') END,
                clock_timestamp()
            """, connection)
        {
            Parameters = { new NpgsqlParameter { Value = Quoted(schema) } },
        };
        await using NpgsqlDataReader row =
            await look.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        await row.ReadAsync(cancellation).ConfigureAwait(false);
        return (row.GetBoolean(0), row.GetBoolean(1), row.GetBoolean(2), row.GetDateTime(3));
    }

    // The table is made when a node starts for the first time.
    private static async Task<object?> TryReadAsync<T>(
        NpgsqlConnection connection, string schema, string table, string what,
        CancellationToken cancellation)
    {
        await using var read = new NpgsqlCommand(
            $"SELECT {what} FROM {Quoted(schema)}.{table}", connection);
        try
        {
            return await read.ExecuteScalarAsync(cancellation).ConfigureAwait(false) is T found
                ? found
                : null;
        }
        catch (PostgresException missing)
            when (missing.SqlState == PostgresErrorCodes.UndefinedTable)
        {
            return null;
        }
    }

    private static string Quoted(string name) => $"\"{name.Replace("\"", "\"\"")}\"";
}
