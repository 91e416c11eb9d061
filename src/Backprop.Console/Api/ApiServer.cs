using System.Net;
using System.Net.Sockets;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Persistence;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Backprop.Console.Api;

/// <summary>What the API is served with.</summary>
/// <param name="Coordinator">Answers the requests.</param>
/// <param name="ReadFile">Reads a stored file, piece by piece.</param>
/// <param name="Checkpoints">Where checkpoints lie.</param>
/// <param name="Digests">Where the digests of versions lie.</param>
/// <param name="Health">How the node is.</param>
internal sealed record ApiBackend(
    ICoordinatorClient Coordinator,
    Func<StoredFile, CancellationToken, IAsyncEnumerable<ReadOnlyMemory<byte>>> ReadFile,
    CheckpointPieces Checkpoints, StoredDigests Digests, NodeHealth Health);

/// <summary>The cluster's HTTP API, as <c>docs/http-api.md</c> has it: a request is a question to
/// the coordinator, and every refusal is a problem of RFC 9457.</summary>
internal static class ApiServer
{
    private const int MaxBodyBytes = 1 << 20;
    private const int MaxConnections = 1_000;

    private static readonly TimeSpan s_lastAnswers = TimeSpan.FromSeconds(30);

    /// <summary>Of an application that serves the API, and whatever else is added to it.</summary>
    /// <param name="host">Where.</param>
    /// <param name="port">0: any free one.</param>
    public static WebApplicationBuilder CreateBuilder(string host, int port)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.AddServerHeader = false;
            options.Limits.MaxRequestBodySize = MaxBodyBytes;
            options.Limits.MaxConcurrentConnections = MaxConnections;
            foreach (IPAddress address in AddressesOf(host))
            {
                options.Listen(address, port);
            }
        });
        builder.Services.ConfigureHttpJsonOptions(options =>
        {
            options.SerializerOptions.PropertyNamingPolicy =
                ApiJson.Options.PropertyNamingPolicy;
            options.SerializerOptions.NumberHandling = ApiJson.Options.NumberHandling;
            foreach (var converter in ApiJson.Options.Converters)
            {
                options.SerializerOptions.Converters.Add(converter);
            }
        });
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

    /// <summary>Lets what has been asked be answered, and takes no more requests; all else in the
    /// application goes on.</summary>
    public static async Task StopServingAsync(WebApplication application)
    {
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
        HealthRoutes.Map(application, backend.Health);
        RouteGroupBuilder runs = application.MapGroup("/api/v1/runs");
        runs.MapPost("", (HttpRequest request, CancellationToken cancellation) =>
            SubmitAsync(backend, request, cancellation));
        runs.MapGet("", (CancellationToken cancellation) => AnswerAsync(
            backend, new CoordinatorRequest.ListRuns(), cancellation));
        runs.MapGet("{id}", (string id, CancellationToken cancellation) => WithRun(
            id, run => AnswerAsync(backend, new CoordinatorRequest.ShowRun(run), cancellation)));
        runs.MapGet("{id}/checkpoints", (string id, CancellationToken cancellation) => WithRun(
            id, run => CheckpointsAsync(backend, run, cancellation)));
        runs.MapGet("{id}/model", (string id, HttpResponse response, CancellationToken stopped) =>
            WithRun(id, run => ModelAsync(backend, run, response, stopped)));
        foreach (RunControl control in Enum.GetValues<RunControl>())
        {
            runs.MapPost(
                $"{{id}}/{control.ToString().ToLowerInvariant()}",
                (string id, CancellationToken cancellation) => WithRun(
                    id, run => AnswerAsync(
                        backend, new CoordinatorRequest.ControlRun(run, control), cancellation)));
        }

        ReplayRoutes.Map(runs, backend);
        application.MapGet("/api/v1/cluster", (CancellationToken cancellation) => AnswerAsync(
            backend, new CoordinatorRequest.ShowCluster(), cancellation));
    }

    private static async Task<IResult> SubmitAsync(
        ApiBackend backend, HttpRequest request, CancellationToken cancellation)
    {
        string priorityText = request.Query["priority"].FirstOrDefault() ?? "0";
        string submissionText =
            request.Query["submission"].FirstOrDefault() ?? Guid.NewGuid().ToString();
        if (!int.TryParse(priorityText, out int priority)
            || !Guid.TryParse(submissionText, out Guid submission))
        {
            return Problem(
                StatusCodes.Status400BadRequest,
                $"priority={priorityText} has to be a whole number and"
                + $" submission={submissionText} a GUID");
        }

        using var reader = new StreamReader(request.Body);
        string specification = await reader.ReadToEndAsync(cancellation);
        if (specification.Length == 0)
        {
            return Problem(
                StatusCodes.Status400BadRequest,
                "the body is empty, where a run's specification belongs");
        }

        return await AnswerAsync(
            backend,
            new CoordinatorRequest.Submit(
                submission, specification,
                request.Query["source"].FirstOrDefault() ?? "the specification", priority),
            cancellation);
    }

    private static async Task<IResult> CheckpointsAsync(
        ApiBackend backend, RunId run, CancellationToken cancellation) =>
        await backend.Coordinator.AskAsync(new CoordinatorRequest.ShowRun(run), cancellation)
            is var answer && answer is CoordinatorAnswer.Run shown
            ? Results.Ok(shown.View.Checkpoints)
            : ResultOf(answer);

    private static async Task<IResult> ModelAsync(
        ApiBackend backend, RunId run, HttpResponse response, CancellationToken cancellation)
    {
        CoordinatorAnswer answer = await backend.Coordinator.AskAsync(
            new CoordinatorRequest.ShowRun(run), cancellation);
        if (answer is not CoordinatorAnswer.Run { View: var view })
        {
            return ResultOf(answer);
        }

        if (view.Model is not { } model)
        {
            return Problem(
                StatusCodes.Status409Conflict,
                $"run {run} has no trained model yet: {view.Summary.Reason}");
        }

        response.ContentLength = model.Bytes;
        response.Headers.ETag = $"\"{model.Sha256}\"";
        return await SendAsync(backend.ReadFile(model, cancellation), response, cancellation);
    }

    /// <summary>Answers with bytes, piece by piece.</summary>
    public static async Task<IResult> SendAsync(
        IAsyncEnumerable<ReadOnlyMemory<byte>> pieces, HttpResponse response,
        CancellationToken cancellation)
    {
        response.ContentType = "application/octet-stream";
        try
        {
            await foreach (ReadOnlyMemory<byte> piece in pieces.WithCancellation(cancellation))
            {
                await response.Body.WriteAsync(piece, cancellation);
            }
        }
        catch (CheckpointException failure) when (!response.HasStarted)
        {
            response.Clear();
            return Problem(StatusCodes.Status503ServiceUnavailable, failure.Message);
        }

        return Results.Empty;
    }

    /// <summary>Answers about a run, if that can be its name.</summary>
    public static async Task<IResult> WithRun(string id, Func<RunId, Task<IResult>> answer)
    {
        var run = new RunId(id);
        return run.IsValid
            ? await answer(run)
            : Problem(StatusCodes.Status404NotFound, $"there is no run '{id}'");
    }

    private static async Task<IResult> AnswerAsync(
        ApiBackend backend, CoordinatorRequest request, CancellationToken cancellation) =>
        ResultOf(await backend.Coordinator.AskAsync(request, cancellation));

    /// <summary>What the coordinator has answered, as HTTP says it.</summary>
    public static IResult ResultOf(CoordinatorAnswer answer) => answer switch
    {
        CoordinatorAnswer.Submitted submitted => Results.Created(
            $"/api/v1/runs/{submitted.Id}", new SubmittedRun(submitted.Id)),
        CoordinatorAnswer.Runs runs => Results.Ok(runs.All),
        CoordinatorAnswer.Run run => Results.Ok(run.View),
        CoordinatorAnswer.Done => Results.NoContent(),
        CoordinatorAnswer.Cluster cluster => Results.Ok(cluster.View),
        CoordinatorAnswer.Refused refused => Problem(StatusOf(refused.Kind), refused.Reason),
        _ => throw new InvalidOperationException($"unknown answer {answer}"),
    };

    private static int StatusOf(RefusalKind kind) => kind switch
    {
        RefusalKind.Invalid => StatusCodes.Status400BadRequest,
        RefusalKind.NotFound => StatusCodes.Status404NotFound,
        RefusalKind.Conflict => StatusCodes.Status409Conflict,
        _ => StatusCodes.Status503ServiceUnavailable,
    };

    /// <summary>A refusal.</summary>
    public static IResult Problem(int status, string detail) =>
        Results.Problem(detail, statusCode: status);
}

/// <summary>The answer to a submission.</summary>
/// <param name="Id">The run's name from now on.</param>
internal sealed record SubmittedRun(RunId Id);
