using System.Collections.Immutable;
using System.Data.Common;
using Backprop.Distributed.Persistence;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Backprop.Distributed.Access;

/// <summary>Where tokens and logins lie: two tables, in the same SQL for SQLite and PostgreSQL.
/// </summary>
internal sealed class AccessDatabase(PersistenceOptions options, TimeSpan patience) : IDisposable
{
    // "BKPD", as elsewhere.
    private const int ApplicationMark = 0x424B5044;

    // Requests look tokens up: a few connections are kept for them.
    private const int MostConnections = 8;

    private readonly SemaphoreSlim _preparing = new(1, 1);
    private volatile bool _isReady;

    /// <summary>The table of tokens.</summary>
    public string Tokens { get; } = TableOf(options, "access_tokens");

    /// <summary>The table of logins.</summary>
    public string Sessions { get; } = TableOf(options, "access_sessions");

    private int TimeoutSeconds => (int)Math.Max(1, Math.Ceiling(patience.TotalSeconds));

    public void Dispose() => _preparing.Dispose();

    /// <summary>Does something with a connection.</summary>
    /// <exception cref="StateDatabaseException">The database cannot be used.</exception>
    public async Task<T> UseAsync<T>(
        Func<DbConnection, Task<T>> use, CancellationToken cancellation)
    {
        try
        {
            await PrepareAsync(cancellation).ConfigureAwait(false);
            await using DbConnection connection = Connect();
            await connection.OpenAsync(cancellation).ConfigureAwait(false);
            return await use(connection).ConfigureAwait(false);
        }
        catch (DbException failure)
        {
            throw new StateDatabaseException(
                $"the state database cannot tell who may come in: {failure.Message}", failure);
        }
    }

    private async Task PrepareAsync(CancellationToken cancellation)
    {
        if (_isReady)
        {
            return;
        }

        await _preparing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            if (!_isReady)
            {
                await PrepareFirstAsync(cancellation).ConfigureAwait(false);
                _isReady = true;
            }
        }
        finally
        {
            _preparing.Release();
        }
    }

    private async Task PrepareFirstAsync(CancellationToken cancellation)
    {
        if (options is PersistenceOptions.Sqlite sqlite)
        {
            StateDatabase.PrepareAccess(sqlite, patience);
        }
        else
        {
            await StateDatabase.PrepareAsync(options, patience, cancellation)
                .ConfigureAwait(false);
        }

        await using DbConnection connection = Connect();
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        await using DbTransaction transaction =
            await connection.BeginTransactionAsync(cancellation).ConfigureAwait(false);
        if (options is PersistenceOptions.PostgreSql)
        {
            // Two nodes that start at once would both find the tables missing.
            await connection.ExecuteAsync(
                $"SELECT pg_advisory_xact_lock({ApplicationMark})", cancellation)
                .ConfigureAwait(false);
        }

        await connection.ExecuteAsync(
            $"""
            CREATE TABLE IF NOT EXISTS {Tokens} (
                id text NOT NULL PRIMARY KEY, sha256 text NOT NULL, name text NOT NULL,
                role bigint NOT NULL, created bigint NOT NULL, expires bigint, revoked bigint);
            CREATE TABLE IF NOT EXISTS {Sessions} (
                sha256 text NOT NULL PRIMARY KEY, token text NOT NULL, created bigint NOT NULL,
                expires bigint NOT NULL)
            """,
            cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(cancellation).ConfigureAwait(false);
    }

    private DbConnection Connect() => options switch
    {
        PersistenceOptions.Sqlite sqlite => new SqliteConnection(
            new SqliteConnectionStringBuilder
            {
                DataSource = sqlite.AccessFile,
                Mode = SqliteOpenMode.ReadWrite,
                DefaultTimeout = TimeoutSeconds,
                Pooling = false,
            }.ToString()),
        PersistenceOptions.PostgreSql postgres => new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(postgres.Connection)
            {
                Timeout = TimeoutSeconds,
                CommandTimeout = TimeoutSeconds,
                Pooling = true,
                MaxPoolSize = MostConnections,
            }.ToString()),
        _ => throw new ArgumentException($"unknown options {options}"),
    };

    private static string TableOf(PersistenceOptions options, string name) =>
        options is PersistenceOptions.PostgreSql { Schema: var schema }
            ? $"\"{schema.Replace("\"", "\"\"")}\".{name}"
            : name;
}

/// <summary>Statements with their values.</summary>
internal static class AccessStatements
{
    public static async Task<int> ExecuteAsync(
        this DbConnection connection, string text, CancellationToken cancellation,
        params (string Name, object Value)[] values)
    {
        await using DbCommand command = Command(connection, text, values);
        return await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    public static async Task<object?> ScalarAsync(
        this DbConnection connection, string text, CancellationToken cancellation,
        params (string Name, object Value)[] values)
    {
        await using DbCommand command = Command(connection, text, values);
        return await command.ExecuteScalarAsync(cancellation).ConfigureAwait(false);
    }

    public static async Task<ImmutableArray<T>> ReadAsync<T>(
        this DbConnection connection, string text, Func<DbDataReader, T> read,
        CancellationToken cancellation, params (string Name, object Value)[] values)
    {
        await using DbCommand command = Command(connection, text, values);
        await using DbDataReader reader =
            await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        var rows = ImmutableArray.CreateBuilder<T>();
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
        {
            rows.Add(read(reader));
        }

        return rows.ToImmutable();
    }

    private static DbCommand Command(
        DbConnection connection, string text, (string Name, object Value)[] values)
    {
        DbCommand command = connection.CreateCommand();
        command.CommandText = text;
        foreach ((string name, object value) in values)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.ParameterName = name;
            parameter.Value = value;
            command.Parameters.Add(parameter);
        }

        return command;
    }
}
