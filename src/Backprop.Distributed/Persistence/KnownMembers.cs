using System.Collections.Immutable;
using System.Threading.Channels;
using Backprop.Training.Protocol;
using Npgsql;

namespace Backprop.Distributed.Persistence;

/// <summary>
/// The members of a cluster as its one coordinator last saw them, kept beside the journal: a
/// coordinator that starts again joins those who are still there, and founds a cluster only where
/// nobody is.
/// </summary>
public sealed class KnownMembers : IAsyncDisposable
{
    private const string FileName = "members";
    private const int Most = 10_000;
    private static readonly TimeSpan s_retry = TimeSpan.FromSeconds(1);

    private readonly PersistenceOptions _options;
    private readonly CancellationTokenSource _ending = new();
    private readonly Channel<ImmutableArray<NodeId>> _latest =
        Channel.CreateBounded<ImmutableArray<NodeId>>(new BoundedChannelOptions(1)
        {
            FullMode = BoundedChannelFullMode.DropOldest,
        });

    private readonly Task _writing;

    /// <summary>Of a database that <see cref="StateDatabase"/> has made ready.</summary>
    public KnownMembers(PersistenceOptions options)
    {
        _options = options;
        _writing = WriteAsync();
    }

    /// <summary>The members that were last kept; none: there were none, or nobody can read who.
    /// </summary>
    /// <exception cref="StateDatabaseException">The database cannot be read.</exception>
    public static async Task<ImmutableArray<NodeId>> ReadAsync(
        PersistenceOptions options, CancellationToken cancellation)
    {
        try
        {
            string text = options switch
            {
                PersistenceOptions.Sqlite sqlite => ReadFile(sqlite.Directory),
                PersistenceOptions.PostgreSql postgres =>
                    await ReadAsync(postgres, cancellation).ConfigureAwait(false),
                _ => throw new ArgumentException($"unknown options {options}"),
            };
            return
            [
                .. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(Most)
                    .Select(line => new NodeId(line.Trim())).Where(node => node.IsValid),
            ];
        }
        catch (Exception failure) when (failure is IOException or NpgsqlException)
        {
            throw new StateDatabaseException(
                $"the members that the cluster had cannot be read: {failure.Message}", failure);
        }
    }

    /// <summary>Keeps the members of now, in the background, again if that fails.</summary>
    public void Keep(ImmutableArray<NodeId> members) => _latest.Writer.TryWrite(members);

    /// <summary>Writes nothing more.</summary>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync().ConfigureAwait(false);
        await _writing.ConfigureAwait(false);
        _ending.Dispose();
    }

    private async Task WriteAsync()
    {
        try
        {
            await foreach (ImmutableArray<NodeId> members in
                _latest.Reader.ReadAllAsync(_ending.Token).ConfigureAwait(false))
            {
                if (!await TryWriteAsync(string.Join('\n', members)).ConfigureAwait(false))
                {
                    // Later ones go before those that could not be written.
                    await Task.Delay(s_retry, _ending.Token).ConfigureAwait(false);
                    if (_latest.Reader.Count == 0)
                    {
                        _latest.Writer.TryWrite(members);
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The node ends.
        }
    }

    private async Task<bool> TryWriteAsync(string text)
    {
        try
        {
            if (_options is PersistenceOptions.Sqlite sqlite)
            {
                string file = Path.Combine(sqlite.Directory, FileName);
                await File.WriteAllTextAsync(file + ".new", text, _ending.Token)
                    .ConfigureAwait(false);
                File.Move(file + ".new", file, overwrite: true);
            }
            else
            {
                await WriteAsync((PersistenceOptions.PostgreSql)_options, text)
                    .ConfigureAwait(false);
            }

            return true;
        }
        catch (Exception failure) when (failure is IOException or NpgsqlException)
        {
            return false;
        }
    }

    private static string ReadFile(string directory)
    {
        string file = Path.Combine(directory, FileName);
        return File.Exists(file) ? File.ReadAllText(file) : "";
    }

    private static async Task<string> ReadAsync(
        PersistenceOptions.PostgreSql options, CancellationToken cancellation)
    {
        await using NpgsqlConnection connection =
            await OpenAsync(options, cancellation).ConfigureAwait(false);
        await using var read = new NpgsqlCommand(
            $"SELECT coalesce(max(nodes), '') FROM {TableOf(options)}", connection);
        return await read.ExecuteScalarAsync(cancellation).ConfigureAwait(false) as string ?? "";
    }

    private async Task WriteAsync(PersistenceOptions.PostgreSql options, string text)
    {
        await using NpgsqlConnection connection =
            await OpenAsync(options, _ending.Token).ConfigureAwait(false);
        string table = TableOf(options);
        await using var write = new NpgsqlCommand(
            $"WITH gone AS (DELETE FROM {table}) INSERT INTO {table} VALUES ($1)", connection)
        {
            Parameters = { new NpgsqlParameter { Value = text } },
        };
        await write.ExecuteNonQueryAsync(_ending.Token).ConfigureAwait(false);
    }

    private static async Task<NpgsqlConnection> OpenAsync(
        PersistenceOptions.PostgreSql options, CancellationToken cancellation)
    {
        var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(options.Connection) { Pooling = false }.ToString());
        await connection.OpenAsync(cancellation).ConfigureAwait(false);
        await using var prepare = new NpgsqlCommand(
            $"CREATE TABLE IF NOT EXISTS {TableOf(options)} (nodes text NOT NULL)", connection);
        await prepare.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        return connection;
    }

    private static string TableOf(PersistenceOptions.PostgreSql options) =>
        $"\"{options.Schema.Replace("\"", "\"\"")}\".members";
}
