using Akka.Configuration;
using Akka.Persistence.Snapshot;
using Backprop.Console.Api;
using Backprop.Data.Sources;
using Backprop.Distributed.Embedded;

namespace Backprop.Console.Tests.Commands;

/// <summary>A whole cluster that is asked over HTTP, with its state in memory.</summary>
internal sealed class ServedCluster : IAsyncDisposable
{
    private readonly EmbeddedCluster _cluster;
    private readonly ApiServer _api;

    private ServedCluster(EmbeddedCluster cluster, ApiServer api)
    {
        _cluster = cluster;
        _api = api;
    }

    public string? Unready { get; set; }

    public Uri Address => _api.Address;

    public static async Task<ServedCluster> StartAsync()
    {
        // Relative paths of data are below the checkout.
        Directory.SetCurrentDirectory(CommandRun.Root);
        var cluster = new EmbeddedCluster(new EmbeddedOptions
        {
            Workers = 2,
            ParameterServers = 1,
            Threads = 1,
            Persistence = ConfigurationFactory.ParseString($$"""
                akka.persistence {
                  journal.plugin = "akka.persistence.journal.inmem"
                  snapshot-store {
                    plugin = "akka.persistence.snapshot-store.sql"
                    sql {
                      class = "{{typeof(MemorySnapshotStore).FullName}}, Akka.Persistence"
                      plugin-dispatcher = "akka.actor.default-dispatcher"
                    }
                  }
                }
                """),
            Data = new DataSourceOpener(),
            MemoryLimitBytes = long.MaxValue,
            OnHung = reason => throw new TimeoutException(reason),
        });
        ServedCluster? served = null;
        ApiServer api = await ApiServer.StartAsync(
            "127.0.0.1", 0,
            new ApiBackend(
                cluster.Client, cluster.Files.ReadAsync, cluster.Checkpoints, cluster.Digests,
                () => served?.Unready),
            CancellationToken.None);
        served = new ServedCluster(cluster, api);
        return served;
    }

    /// <summary>Runs a command against it.</summary>
    public CommandRun Run(params string[] arguments) =>
        CommandRun.Of([.. arguments, "--server", Address.ToString()]);

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        await _cluster.DisposeAsync();
    }
}
