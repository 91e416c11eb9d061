using Akka.Configuration;
using Akka.Persistence.Snapshot;
using Backprop.Console.Api;
using Backprop.Data.Sources;
using Backprop.Distributed.Embedded;
using Microsoft.AspNetCore.Builder;

namespace Backprop.Console.Tests.Commands;

/// <summary>A whole cluster that is asked over HTTP, with its state in memory.</summary>
internal sealed class ServedCluster : IAsyncDisposable
{
    private readonly EmbeddedCluster _cluster;
    private readonly WebApplication _api;

    private ServedCluster(EmbeddedCluster cluster, WebApplication api)
    {
        _cluster = cluster;
        _api = api;
    }

    public string? Unready { get; set; }

    public string? Trouble { get; set; }

    public Uri Address { get; private set; } = null!;

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
        var served = new ServedCluster(cluster, ApiServer.CreateBuilder("127.0.0.1", 0).Build());
        served.Address = await ApiServer.StartAsync(
            served._api, "any port",
            new ApiBackend(
                cluster.Client, cluster.Files.ReadAsync, cluster.Checkpoints, cluster.Digests,
                new NodeHealth(() => served.Unready, () => served.Trouble)),
            CancellationToken.None);
        return served;
    }

    /// <summary>Runs a command against it.</summary>
    public CommandRun Run(params string[] arguments) =>
        CommandRun.Of([.. arguments, "--server", Address.ToString()]);

    public async ValueTask DisposeAsync()
    {
        await _api.StopAsync();
        await _api.DisposeAsync();
        await _cluster.DisposeAsync();
    }
}
