using System.Net.Http.Json;
using System.Text.Json;
using Akka.Configuration;
using Akka.Persistence.Snapshot;
using Backprop.Console.Api;
using Backprop.Console.Api.Access;
using Backprop.Console.Tests.Api;
using Backprop.Data.Sources;
using Backprop.Distributed.Embedded;
using Microsoft.AspNetCore.Builder;

namespace Backprop.Console.Tests.Commands;

/// <summary>A whole cluster that is asked over HTTP, with its state in memory.</summary>
internal sealed class ServedCluster : IAsyncDisposable
{
    private readonly EmbeddedCluster _cluster;
    private readonly WebApplication _api;

    private readonly ApiBackend _backend;

    private ServedCluster(EmbeddedCluster cluster, WebApplication api)
    {
        _cluster = cluster;
        _api = api;
        _backend = new ApiBackend(cluster.Client, TimeProvider.System)
        {
            ReadFile = cluster.Files.ReadAsync,
            Checkpoints = cluster.Checkpoints,
            Digests = cluster.Digests,
            Health = new NodeHealth(() => Unready, () => Trouble),
        };
    }

    public string? Unready { get; set; }

    public string? Trouble { get; set; }

    public Uri Address { get; private set; } = null!;

    /// <summary>What serves it.</summary>
    public IServiceProvider Services => _api.Services;

    /// <summary>Starts one.</summary>
    /// <param name="access">Who may come in; null: this machine.</param>
    /// <param name="configure">Changes what serves it.</param>
    public static async Task<ServedCluster> StartAsync(
        AccessOptions? access = null, Action<WebApplicationBuilder>? configure = null)
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
        WebApplicationBuilder builder = ApiServer.CreateBuilder("127.0.0.1", 0, access);
        configure?.Invoke(builder);
        var served = new ServedCluster(cluster, builder.Build());
        served.Address = await ApiServer.StartAsync(
            served._api, "any port", served._backend, CancellationToken.None);
        return served;
    }

    /// <summary>Runs a command against it.</summary>
    public CommandRun Run(params string[] arguments) =>
        CommandRun.Of([.. arguments, "--server", Address.ToString()]);

    /// <summary>Asks it over HTTP.</summary>
    public HttpClient Client() => new() { BaseAddress = Address };

    /// <summary>Hands a run in.</summary>
    /// <returns>Its name.</returns>
    public async Task<string> SubmitAsync(HttpClient http, string specification)
    {
        HttpResponseMessage answer =
            await http.PostAsync("api/v1/runs", new StringContent(specification));
        JsonElement run = await answer.EnsureSuccessStatusCode()
            .Content.ReadFromJsonAsync<JsonElement>();
        return run.GetProperty("id").GetString()!;
    }

    /// <summary>Waits until a run has completed.</summary>
    public async Task AwaitEndAsync(HttpClient http, string run)
    {
        List<ReceivedEvent> events = await EventReader.ReadAsync(
            http, $"api/v1/runs/{run}/events", null, one => one.Kind == "end");
        Assert.Equal("end", events[^1].Kind);
    }

    public async ValueTask DisposeAsync()
    {
        await ApiServer.StopServingAsync(_api, _backend);
        await _api.StopAsync();
        await _backend.DisposeAsync();
        await _api.DisposeAsync();
        await _cluster.DisposeAsync();
    }
}
