using System.Collections.Immutable;
using System.Data.Common;
using Backprop.Distributed.Persistence;

namespace Backprop.Distributed.Access;

/// <summary>
/// The tokens and logins of a cluster, in its state database, where every node that serves the API
/// finds them, and where the first token is made before any node runs. Nothing in it opens a door:
/// of every secret there is but a hash.
/// </summary>
public sealed class AccessTokens : IDisposable
{
    /// <summary>Tokens that are kept.</summary>
    public const int MostTokens = 10_000;

    /// <summary>Logins at a time with one token; the oldest make room for new ones.</summary>
    public const int MostSessions = 100;

    private const string TokenColumns = "t.id, t.name, t.role, t.created, t.expires, t.revoked";
    private const int TokenColumnCount = 6;

    // What is over is still listed for so long.
    private static readonly TimeSpan s_afterwards = TimeSpan.FromDays(90);

    private readonly AccessDatabase _database;

    /// <summary>In this database, which is made ready at the first use.</summary>
    /// <param name="options">Which database.</param>
    /// <param name="patience">How long a lock or a connection is waited for.</param>
    public AccessTokens(PersistenceOptions options, TimeSpan patience) =>
        _database = new AccessDatabase(options, patience);

    /// <inheritdoc/>
    public void Dispose() => _database.Dispose();

    /// <summary>Adds a token.</summary>
    /// <exception cref="StateDatabaseException">It cannot be stored.</exception>
    public Task AddAsync(
        AccessToken token, string sha256, DateTimeOffset now, CancellationToken cancellation) =>
        _database.UseAsync(async connection =>
        {
            await connection.ExecuteAsync(
                $"DELETE FROM {_database.Tokens} WHERE revoked < @before OR expires < @before",
                cancellation, ("before", Stored(now - s_afterwards))).ConfigureAwait(false);
            object? count = await connection.ScalarAsync(
                $"SELECT count(*) FROM {_database.Tokens}", cancellation).ConfigureAwait(false);
            if (count is not long known || known >= MostTokens)
            {
                throw new StateDatabaseException(
                    $"there are {count} tokens, the most that are kept: revoke some; they are"
                    + $" forgotten after {s_afterwards.TotalDays:0} days");
            }

            return await connection.ExecuteAsync(
                $"""
                INSERT INTO {_database.Tokens} (id, sha256, name, role, created, expires, revoked)
                VALUES (@id, @sha256, @name, @role, @created, @expires, NULL)
                """,
                cancellation, ("id", token.Id), ("sha256", sha256), ("name", token.Name),
                ("role", (long)token.Role), ("created", Stored(token.Created)),
                ("expires", Stored(token.Expires))).ConfigureAwait(false);
        }, cancellation);

    /// <summary>All tokens, the newest first.</summary>
    /// <exception cref="StateDatabaseException">They cannot be read.</exception>
    public Task<ImmutableArray<AccessToken>> ListAsync(CancellationToken cancellation) =>
        _database.UseAsync(
            connection => connection.ReadAsync(
                $"""
                SELECT {TokenColumns} FROM {_database.Tokens} t
                ORDER BY created DESC, id LIMIT {MostTokens}
                """,
                row => TokenOf(row, 0), cancellation),
            cancellation);

    /// <summary>The token of an identifier; null: there is none.</summary>
    /// <exception cref="StateDatabaseException">It cannot be read.</exception>
    public Task<StoredToken?> FindAsync(string id, CancellationToken cancellation) =>
        _database.UseAsync(
            async connection => (await connection.ReadAsync(
                $"SELECT {TokenColumns}, sha256 FROM {_database.Tokens} t WHERE id = @id",
                row => new StoredToken(TokenOf(row, 0), row.GetString(TokenColumnCount)),
                cancellation, ("id", id)).ConfigureAwait(false)).FirstOrDefault(),
            cancellation);

    /// <summary>Takes a token back; one that was already stays as it is.</summary>
    /// <returns>Whether there is such a token.</returns>
    /// <exception cref="StateDatabaseException">It cannot be stored.</exception>
    public Task<bool> RevokeAsync(
        string id, DateTimeOffset now, CancellationToken cancellation) =>
        _database.UseAsync(
            async connection => await connection.ExecuteAsync(
                $"UPDATE {_database.Tokens} SET revoked = coalesce(revoked, @now) WHERE id = @id",
                cancellation, ("now", Stored(now)), ("id", id)).ConfigureAwait(false) > 0,
            cancellation);

    /// <summary>Adds a login.</summary>
    /// <exception cref="StateDatabaseException">It cannot be stored.</exception>
    public Task AddAsync(AccessSession session, CancellationToken cancellation) =>
        _database.UseAsync(async connection =>
        {
            await connection.ExecuteAsync(
                $"""
                DELETE FROM {_database.Sessions} WHERE expires < @now OR sha256 IN (
                    SELECT sha256 FROM {_database.Sessions} WHERE token = @token
                    ORDER BY created DESC, sha256 LIMIT {MostTokens} OFFSET {MostSessions - 1})
                """,
                cancellation, ("now", Stored(session.Created)), ("token", session.TokenId))
                .ConfigureAwait(false);
            return await connection.ExecuteAsync(
                $"""
                INSERT INTO {_database.Sessions} (sha256, token, created, expires)
                VALUES (@sha256, @token, @created, @expires)
                """,
                cancellation, ("sha256", session.Sha256), ("token", session.TokenId),
                ("created", Stored(session.Created)), ("expires", Stored(session.Expires)))
                .ConfigureAwait(false);
        }, cancellation);

    /// <summary>The login with a secret; null: there is none.</summary>
    /// <exception cref="StateDatabaseException">It cannot be read.</exception>
    public Task<StoredSession?> FindSessionAsync(
        string sha256, CancellationToken cancellation) =>
        _database.UseAsync(
            async connection => (await connection.ReadAsync(
                $"""
                SELECT {TokenColumns}, s.created, s.expires
                FROM {_database.Sessions} s JOIN {_database.Tokens} t ON t.id = s.token
                WHERE s.sha256 = @sha256
                """,
                row =>
                {
                    AccessToken token = TokenOf(row, 0);
                    return new StoredSession(
                        new AccessSession(
                            sha256, token.Id, Read(row, TokenColumnCount)!.Value,
                            Read(row, TokenColumnCount + 1)!.Value),
                        token);
                },
                cancellation, ("sha256", sha256)).ConfigureAwait(false)).FirstOrDefault(),
            cancellation);

    /// <summary>Ends a login.</summary>
    /// <exception cref="StateDatabaseException">It cannot be stored.</exception>
    public Task EndSessionAsync(string sha256, CancellationToken cancellation) =>
        _database.UseAsync(
            connection => connection.ExecuteAsync(
                $"DELETE FROM {_database.Sessions} WHERE sha256 = @sha256",
                cancellation, ("sha256", sha256)),
            cancellation);

    private static AccessToken TokenOf(DbDataReader row, int first) => new(
        row.GetString(first), row.GetString(first + 1), (AccessRole)row.GetInt64(first + 2),
        Read(row, first + 3)!.Value, Read(row, first + 4), Read(row, first + 5));

    // Both databases hold whole numbers alike, and times each in its own way.
    private static object Stored(DateTimeOffset? time) =>
        time is { } at ? at.ToUnixTimeMilliseconds() : DBNull.Value;

    private static DateTimeOffset? Read(DbDataReader row, int column) => row.IsDBNull(column)
        ? null
        : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(column));
}
