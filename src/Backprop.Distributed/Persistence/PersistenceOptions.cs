namespace Backprop.Distributed.Persistence;

/// <summary>Where a cluster keeps its decisions and checkpoints.</summary>
public abstract record PersistenceOptions
{
    private PersistenceOptions()
    {
    }

    /// <summary>How long the journal or the snapshot store lets one call to the database last.
    /// </summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long a persistent actor waits for the next event when it is replayed.</summary>
    public TimeSpan RecoveryTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Two SQLite files on a disk of this machine.</summary>
    /// <param name="Directory">Where they lie; made if need be.</param>
    public sealed record Sqlite(string Directory) : PersistenceOptions
    {
        /// <summary>The decisions. A file of its own: an event must not wait for a checkpoint.
        /// </summary>
        public string JournalFile => Path.Combine(Directory, "journal.db");

        /// <summary>The pieces of checkpoints.</summary>
        public string SnapshotFile => Path.Combine(Directory, "checkpoints.db");

        /// <summary>The tokens that users reach the API with.</summary>
        public string AccessFile => Path.Combine(Directory, "access.db");
    }

    /// <summary>A PostgreSQL database that every node reaches.</summary>
    /// <param name="Connection">Npgsql's connection string.</param>
    /// <param name="Schema">The schema that the tables lie in; made if need be.</param>
    public sealed record PostgreSql(string Connection, string Schema = "backprop")
        : PersistenceOptions
    {
        /// <summary>Without the connection string, which may hold a password.</summary>
        public override string ToString() => $"PostgreSQL, schema {Schema}";
    }
}
