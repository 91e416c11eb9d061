using System.Net;
using System.Net.Sockets;
using Backprop.Console.Api;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Security;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;

namespace Backprop.Console.Hosting;

/// <summary>Where Prometheus and health checks reach a node, whatever its role: nothing else is
/// served here, and nobody has to say who they are.</summary>
internal sealed class MetricsListener : IAsyncDisposable
{
    /// <summary>What Prometheus asks for.</summary>
    public const string Path = "/metrics";

    private const int MaxConnections = 64;
    private const int MaxBodyBytes = 1024;

    private static readonly TimeSpan s_lastAnswers = TimeSpan.FromSeconds(5);

    private readonly WebApplication _application;

    private MetricsListener(WebApplication application) => _application = application;

    /// <summary>Where it listens.</summary>
    public Uri Address => new(_application.Services.GetRequiredService<IServer>()
        .Features.Get<IServerAddressesFeature>()!.Addresses.First());

    /// <summary>Serves what a host measures.</summary>
    /// <param name="routes">Of an application.</param>
    /// <param name="meters">The host's.</param>
    public static void MapMetrics(IEndpointRouteBuilder routes, MeterProvider meters) =>
        routes.MapPrometheusScrapingEndpoint(
            Path, meters, configureBranchedPipeline: null, optionsName: null);

    /// <summary>Begins to listen.</summary>
    /// <exception cref="IOException">The address cannot be listened on.</exception>
    public static async Task<MetricsListener> StartAsync(
        MetricsConfiguration metrics, MeterProvider meters, NodeHealth health,
        NodeCertificates? certificates, CancellationToken cancellation)
    {
        WebApplication application =
            Build(metrics, ServerCertificate.Of(files: null, certificates));
        try
        {
            MapMetrics(application, meters);
            HealthRoutes.Map(application, health);
            await application.StartAsync(cancellation);
            return new MetricsListener(application);
        }
        catch (Exception failure)
        {
            await application.DisposeAsync();
            if (failure is IOException or SocketException)
            {
                throw Refused(metrics, failure);
            }

            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        using var limit = new CancellationTokenSource(s_lastAnswers);
        await _application.StopAsync(limit.Token);
        await _application.DisposeAsync();
    }

    private static WebApplication Build(
        MetricsConfiguration metrics, ServerCertificate? certificate)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<IHostLifetime, NoSignals>();
        IPAddress address = AddressOf(metrics);
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = MaxBodyBytes;
            options.Limits.MaxConcurrentConnections = MaxConnections;
            options.Listen(
                address, metrics.Port, listener => certificate?.Secure(listener));
        });
        return builder.Build();
    }

    private static IPAddress AddressOf(MetricsConfiguration metrics)
    {
        try
        {
            return Dns.GetHostAddresses(metrics.Host)[0];
        }
        catch (SocketException failure)
        {
            throw Refused(metrics, failure);
        }
    }

    private static IOException Refused(MetricsConfiguration metrics, Exception failure) => new(
        $"metrics cannot be served at {metrics.Host}:{metrics.Port}: {failure.Message}; another"
        + " port is set by backprop.metrics.port", failure);
}
