using Akka.Actor;
using Akka.Configuration;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Serialization;
using Microsoft.Data.Sqlite;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>A state directory of a test's own.</summary>
internal sealed class StateFolder : IDisposable
{
    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(20);

    public string Path { get; } =
        Directory.CreateTempSubdirectory("backprop-state-").FullName;

    public PersistenceOptions.Sqlite Options => new(Path);

    public static Config Configuration(PersistenceOptions options) =>
        ConfigurationFactory.ParseString("akka.loglevel = OFF, akka.stdout-loglevel = OFF")
            .WithFallback(SerializationConfiguration.Config)
            .WithFallback(PersistenceConfiguration.ToAkka(options));

    public static async Task<ActorSystem> StartAsync(PersistenceOptions options)
    {
        await StateDatabase.PrepareAsync(options, Patience, CancellationToken.None);
        return ActorSystem.Create("state", Configuration(options));
    }

    public void Dispose()
    {
        SqliteConnection.ClearAllPools();
        Directory.Delete(Path, recursive: true);
    }
}
