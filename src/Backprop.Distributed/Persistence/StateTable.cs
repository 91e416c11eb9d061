using System.Collections.Immutable;
using System.Data.Common;
using System.Security.Cryptography;
using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>What a table of the state database holds.</summary>
/// <param name="Name">The table.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Bytes">Of their contents, all together.</param>
/// <param name="Sha256">Of the rows in order, each value with its kind and its length; in
/// lower-case hex. The same in every database.</param>
public sealed record TableContent(string Name, long Rows, long Bytes, string Sha256);

/// <summary>A table of the state database: the same columns in SQLite and in PostgreSQL.</summary>
/// <param name="Name">The table.</param>
/// <param name="Order">How many of the first columns tell rows apart.</param>
/// <param name="Columns">All of them, those first.</param>
internal sealed record StateTable(string Name, int Order, ImmutableArray<string> Columns)
{
    // Kinds of values, in the digest.
    private const byte Nothing = 0;
    private const byte Number = 1;
    private const byte Letters = 2;
    private const byte Blob = 3;

    /// <summary>The one whose first column the database counts by itself.</summary>
    public static StateTable Journal { get; } = new("journal", 1,
    [
        "ordering", "created", "deleted", "persistence_id", "sequence_number", "message",
        "manifest", "identifier", "writer_uuid",
    ]);

    /// <summary>What events are found by.</summary>
    public static StateTable Tags { get; } =
        new("tags", 2, ["ordering_id", "tag", "sequence_nr", "persistence_id"]);

    /// <summary>Pieces of checkpoints, models, digests and curves.</summary>
    public static StateTable Snapshots { get; } = new("snapshot", 2,
    [
        "persistence_id", "sequence_number", "created", "snapshot", "manifest", "serializer_id",
    ]);

    /// <summary>Hashes of tokens.</summary>
    public static StateTable Tokens { get; } = new("access_tokens", 1,
        ["id", "sha256", "name", "role", "created", "expires", "revoked"]);

    /// <summary>Hashes of logins.</summary>
    public static StateTable Sessions { get; } =
        new("access_sessions", 1, ["sha256", "token", "created", "expires"]);

    /// <summary>Reads every row in order, and has something done with each.</summary>
    /// <exception cref="StateDatabaseException">It has other columns.</exception>
    public async Task<TableContent> ReadAsync(
        TableEnd from, Func<object?[], Task> use, CancellationToken cancellation)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long rows = 0, bytes = 0;
        await CheckColumnsAsync(from, cancellation).ConfigureAwait(false);
        await using DbCommand read = from.Command(
            $"SELECT {string.Join(", ", Columns)} FROM {from.NameOf(Name)} ORDER BY "
            + string.Join(", ", Columns.Take(Order).Select(from.Ordered)));
        await using DbDataReader reader =
            await read.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        object?[] row = new object?[Columns.Length];
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
        {
            for (int i = 0; i < row.Length; i++)
            {
                row[i] = reader.IsDBNull(i) ? null : Plain(reader.GetValue(i));
                bytes += Add(digest, row[i]);
            }

            rows++;
            await use(row).ConfigureAwait(false);
        }

        return new TableContent(
            Name, rows, bytes, Convert.ToHexStringLower(digest.GetHashAndReset()));
    }

    /// <summary>A statement that adds a row, with the values of <see cref="ReadAsync"/>.</summary>
    public DbCommand Insertion(TableEnd to)
    {
        DbCommand insert = to.Command(
            $"INSERT INTO {to.NameOf(Name)} ({string.Join(", ", Columns)})"
            + (to.IsPostgreSql && this == Journal ? " OVERRIDING SYSTEM VALUE" : "")
            + $" VALUES ({string.Join(", ", Columns.Select((_, i) => $"@v{i}"))})");
        for (int i = 0; i < Columns.Length; i++)
        {
            DbParameter parameter = insert.CreateParameter();
            parameter.ParameterName = $"v{i}";
            insert.Parameters.Add(parameter);
        }

        return insert;
    }

    /// <summary>Puts a row into <see cref="Insertion"/>.</summary>
    public void Fill(DbCommand insertion, object?[] row, TableEnd to)
    {
        for (int i = 0; i < row.Length; i++)
        {
            insertion.Parameters[i].Value =
                to.IsPostgreSql && Columns[i] == "deleted" && row[i] is long flag
                    ? flag != 0
                    : to.IsPostgreSql && Columns[i] is "identifier" or "serializer_id"
                        && row[i] is long number
                    ? checked((int)number)
                    : row[i] ?? DBNull.Value;
        }
    }

    // A column that is not known here would be left behind.
    private async Task CheckColumnsAsync(TableEnd from, CancellationToken cancellation)
    {
        await using DbCommand look = from.Command($"SELECT * FROM {from.NameOf(Name)} LIMIT 0");
        await using DbDataReader reader =
            await look.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        string[] found = [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)];
        if (!found.Order(StringComparer.Ordinal)
            .SequenceEqual(Columns.Order(StringComparer.Ordinal)))
        {
            throw new StateDatabaseException(
                $"the table {from.NameOf(Name)} has the columns {string.Join(", ", found)}, where"
                + $" {string.Join(", ", Columns)} would be right");
        }
    }

    private static object Plain(object value) => value switch
    {
        bool flag => flag ? 1L : 0L,
        int number => (long)number,
        long or string or byte[] => value,
        _ => throw new StateDatabaseException(
            $"a value of the state database is {value.GetType()}, which no table of it has"),
    };

    private static long Add(IncrementalHash digest, object? value)
    {
        (byte kind, byte[] content) = value switch
        {
            null => (Nothing, Array.Empty<byte>()),
            long number => (Number, BitConverter.GetBytes(number)),
            string text => (Letters, System.Text.Encoding.UTF8.GetBytes(text)),
            _ => (Blob, (byte[])value),
        };
        digest.AppendData([kind]);
        digest.AppendData(BitConverter.GetBytes((long)content.Length));
        digest.AppendData(content);
        return content.Length;
    }
}

/// <summary>One end of a copy: an open connection, in a transaction.</summary>
/// <param name="Connection">Whoever has this closes it.</param>
/// <param name="Transaction">All or nothing.</param>
/// <param name="Schema">PostgreSQL's; null: it is SQLite.</param>
internal sealed record TableEnd(
    DbConnection Connection, DbTransaction Transaction, string? Schema) : IAsyncDisposable
{
    /// <summary>Whether it is PostgreSQL.</summary>
    public bool IsPostgreSql => Connection is NpgsqlConnection;

    /// <summary>A table, as statements name it.</summary>
    public string NameOf(string table) =>
        Schema is null ? table : $"\"{Schema.Replace("\"", "\"\"")}\".{table}";

    /// <summary>A column to order by: bytes, not letters of some language.</summary>
    public string Ordered(string column) => IsPostgreSql
        && column is "persistence_id" or "tag" or "id" or "sha256"
            ? $"{column} COLLATE \"C\""
            : column;

    /// <summary>A statement within the transaction.</summary>
    public DbCommand Command(string text)
    {
        DbCommand command = Connection.CreateCommand();
        command.Transaction = Transaction;
        command.CommandText = text;
        command.CommandTimeout = 0; // A copy takes as long as it takes; whoever waits can end it.
        return command;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Transaction.DisposeAsync().ConfigureAwait(false);
        await Connection.DisposeAsync().ConfigureAwait(false);
    }
}
