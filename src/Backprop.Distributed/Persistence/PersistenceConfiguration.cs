using Akka.Configuration;
using Akka.Persistence.Sql;
using Microsoft.Data.Sqlite;

namespace Backprop.Distributed.Persistence;

/// <summary>Turns <see cref="PersistenceOptions"/> into Akka's configuration of journal and
/// snapshot store.</summary>
public static class PersistenceConfiguration
{
    /// <summary>The journal's plugin.</summary>
    public const string JournalPlugin = SqlPersistence.JournalConfigPath;

    /// <summary>The snapshot store's plugin.</summary>
    public const string SnapshotPlugin = SqlPersistence.SnapshotStoreConfigPath;

    // The names by which linq2db knows the dialects: to name the version spares a detection.
    private const string SqliteProvider = "SQLite.MS";
    private const string PostgreSqlProvider = "PostgreSQL.15";

    // SQLite has one writer; more would wait for each other inside the driver.
    private const int SqliteParallelism = 1;
    private const int PostgreSqlParallelism = 2;

    /// <summary>To be put before Akka's defaults; the plugin's own are included, which Akka does
    /// not add by itself.</summary>
    public static Config ToAkka(PersistenceOptions options)
    {
        (string provider, int parallelism, string schema) = options switch
        {
            PersistenceOptions.Sqlite => (SqliteProvider, SqliteParallelism, "null"),
            PersistenceOptions.PostgreSql postgres =>
                (PostgreSqlProvider, PostgreSqlParallelism, Quoted(postgres.Schema)),
            _ => throw new ArgumentException($"unknown options {options}"),
        };
        string breaker = $$"""
            circuit-breaker {
              max-failures = 5
              call-timeout = {{Milliseconds(options.CallTimeout)}}
              reset-timeout = 5s
            }
            """;
        return ConfigurationFactory.ParseString($$"""
            akka.persistence {
              journal {
                plugin = "{{JournalPlugin}}"
                sql {
                  connection-string = {{Quoted(JournalConnection(options))}}
                  provider-name = "{{provider}}"
                  parallelism = {{parallelism}}
                  auto-initialize = true
                  recovery-event-timeout = {{Milliseconds(options.RecoveryTimeout)}}
                  default.schema-name = {{schema}}
                  {{breaker}}
                }
              }
              snapshot-store {
                plugin = "{{SnapshotPlugin}}"
                sql {
                  connection-string = {{Quoted(SnapshotConnection(options))}}
                  provider-name = "{{provider}}"
                  auto-initialize = true
                  default.schema-name = {{schema}}
                  {{breaker}}
                }
              }
            }
            """).WithFallback(SqlPersistence.DefaultConfiguration);
    }

    internal static string JournalConnection(PersistenceOptions options) => options switch
    {
        PersistenceOptions.Sqlite sqlite => SqliteConnection(sqlite.JournalFile, options),
        PersistenceOptions.PostgreSql postgres => postgres.Connection,
        _ => throw new ArgumentException($"unknown options {options}"),
    };

    internal static string SnapshotConnection(PersistenceOptions options) => options switch
    {
        PersistenceOptions.Sqlite sqlite => SqliteConnection(sqlite.SnapshotFile, options),
        PersistenceOptions.PostgreSql postgres => postgres.Connection,
        _ => throw new ArgumentException($"unknown options {options}"),
    };

    // A command that meets a lock waits for it within its timeout.
    private static string SqliteConnection(string file, PersistenceOptions options) =>
        new SqliteConnectionStringBuilder
        {
            DataSource = Path.GetFullPath(file),
            DefaultTimeout = (int)Math.Ceiling(options.CallTimeout.TotalSeconds),
        }.ToString();

    private static string Milliseconds(TimeSpan time) => $"{(long)time.TotalMilliseconds}ms";

    private static string Quoted(string text) =>
        $"\"{text.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
}
