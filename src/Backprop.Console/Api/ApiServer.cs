using System.Net;
using System.Net.Sockets;
using Backprop.Console.Api.Access;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Backprop.Console.Api;

/// <summary>The cluster's HTTP API, as <c>docs/http-api.md</c> has it, on a node that serves it.
/// </summary>
internal static class ApiServer
{
    /// <summary>What the routes of the API begin with.</summary>
    public const string Prefix = "/api/v1";

    private const int MaxBodyBytes = 1 << 20;
    private const int MaxConnections = 1_000;

    private static readonly TimeSpan s_lastAnswers = TimeSpan.FromSeconds(30);

    /// <summary>Of an application that serves the API, and whatever else is added to it.</summary>
    /// <param name="host">Where.</param>
    /// <param name="port">0: any free one.</param>
    /// <param name="access">Who may come in; null: this machine, without a token.</param>
    /// <param name="certificate">What it shows browsers; null: it is served without TLS.</param>
    public static WebApplicationBuilder CreateBuilder(
        string host, int port, AccessOptions? access = null,
        ServerCertificate? certificate = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        IPAddress[] addresses = AddressesOf(host);
        AccessControl.Add(builder, access ?? AccessOptions.OfThisMachine, host, addresses);
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = MaxBodyBytes;
            options.Limits.MaxConcurrentConnections = MaxConnections;
            foreach (IPAddress address in addresses)
            {
                options.Listen(address, port, listener => certificate?.Secure(listener));
            }
        });
        builder.Services.ConfigureHttpJsonOptions(
            options => ApiJson.Configure(options.SerializerOptions));
        builder.Services.AddProblemDetails();
        ApiDescription.Add(builder.Services);
        return builder;
    }

    /// <summary>Starts the application, and begins to serve when all else in it has started.
    /// </summary>
    /// <param name="application">Made by <see cref="CreateBuilder"/>.</param>
    /// <param name="place">Where that was told to serve, for the message.</param>
    /// <param name="backend">Answers.</param>
    /// <param name="cancellation">Of the start.</param>
    /// <returns>Where it is served, with the port that the system chose.</returns>
    /// <exception cref="IOException">The address cannot be listened on.</exception>
    public static async Task<Uri> StartAsync(
        WebApplication application, string place, ApiBackend backend,
        CancellationToken cancellation)
    {
        Map(application, backend);
        try
        {
            await application.StartAsync(cancellation);
        }
        catch (Exception failure) when (failure is IOException or SocketException)
        {
            throw new IOException(
                $"the API cannot be served at {place}: {failure.Message}; another port"
                + " is set by --api-port or backprop.api.port", failure);
        }

        return new Uri(application.Services.GetRequiredService<IServer>()
            .Features.Get<IServerAddressesFeature>()!.Addresses.First());
    }

    /// <summary>Lets what has been asked be answered, ends what goes on, and takes no more
    /// requests; all else in the application goes on.</summary>
    public static async Task StopServingAsync(WebApplication application, ApiBackend backend)
    {
        await backend.StopAsync();
        using var limit = new CancellationTokenSource(s_lastAnswers);
        await application.Services.GetRequiredService<IServer>().StopAsync(limit.Token);
    }

    private static IPAddress[] AddressesOf(string host)
    {
        if (IPAddress.TryParse(host, out IPAddress? address))
        {
            return [address];
        }

        try
        {
            return [Dns.GetHostAddresses(host)[0]];
        }
        catch (SocketException failure)
        {
            throw new IOException(
                $"the API cannot be served at '{host}': {failure.Message}", failure);
        }
    }

    private static void Map(WebApplication application, ApiBackend backend)
    {
        application.UseExceptionHandler(new ExceptionHandlerOptions
        {
            // What Kestrel refuses while a body is read, such as one that is too long.
            StatusCodeSelector = failure => failure is BadHttpRequestException refused
                ? refused.StatusCode
                : StatusCodes.Status500InternalServerError,
        });
        application.UseStatusCodePages();
        AccessControl.Use(application);
        PageRoutes.Map(application);
        HealthRoutes.Map(application, backend.Health);
        RouteGroupBuilder api = application.MapGroup(Prefix);
        RouteGroupBuilder runs = api.MapGroup("/runs").WithTags("Runs");
        RunRoutes.Map(runs, backend);
        EventRoutes.Map(api, runs, backend);
        CurveRoutes.Map(runs, backend);
        ReplayRoutes.Map(runs, backend);
        TimelineRoutes.Map(runs, backend);
        PredictionRoutes.Map(runs, backend);
        SweepRoutes.Map(api.MapGroup("/sweeps").WithTags("Sweeps"), backend);
        SpecificationRoutes.Map(
            api.MapGroup("/specifications").WithTags("Specifications"), backend);
        api.MapGet("/cluster", (Delegate)((HttpContext http) => ApiAnswers
                .JsonAsync<CoordinatorAnswer.Cluster, ClusterView>(
                    http, backend, new CoordinatorRequest.ShowCluster(), answer => answer.View)))
            .WithName("ShowCluster").WithTags("Cluster")
            .WithSummary("The nodes, where the coordinator lives, what is wrong")
            .Produces<ClusterView>().Describes(StatusCodes.Status503ServiceUnavailable);
        ApiDescription.Map(application);
    }
}
