using System.Security.Cryptography;
using System.Text;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>Some of a cluster's runs.</summary>
/// <param name="Runs">Newest first.</param>
/// <param name="Next">What to ask <c>after</c> for those that follow; null: there are none.</param>
internal sealed record RunPage(IReadOnlyList<RunSummaryView> Runs, RunId? Next);

/// <summary>The routes that list runs, hand them in, show them and change their course.</summary>
internal static class RunRoutes
{
    private const int DefaultLimit = 100;
    private const int MaxLimit = 1_000;

    public static void Map(RouteGroupBuilder runs, ApiBackend backend)
    {
        runs.MapGet("", (HttpContext http, int? limit, string? after) =>
                ListAsync(http, backend, limit ?? DefaultLimit, after))
            .WithName("ListRuns").WithSummary("Runs, newest first")
            .Produces<RunPage>().Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status503ServiceUnavailable);
        runs.MapPost("", (
                HttpRequest request, int? priority, string? source,
                [FromHeader(Name = "Idempotency-Key")] string? key,
                CancellationToken cancellation) =>
                SubmitAsync(backend, request, priority ?? 0, source, key, cancellation))
            .Accepts<string>("text/plain")
            .WithName("SubmitRun").WithSummary("Hands a run in")
            .Produces<SubmittedRun>(StatusCodes.Status201Created).Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status409Conflict,
                StatusCodes.Status503ServiceUnavailable);
        Show(
            runs, "{id}", "ShowRun", "One run in full", backend,
            (CoordinatorAnswer.Run answer) => answer.View);
        Show(
            runs, "{id}/checkpoints", "ListCheckpoints", "Its committed checkpoints, newest first",
            backend, (CoordinatorAnswer.Run answer) => answer.View.Checkpoints);
        runs.MapGet("{id}/specification", (string id, CancellationToken cancellation) =>
                ApiAnswers.WithRun(id, run => SpecificationAsync(backend, run, cancellation)))
            .WithName("ShowSpecification").WithSummary("A run's specification")
            .Produces<string>(contentType: "text/plain").Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status503ServiceUnavailable);
        runs.MapGet("{id}/model", (string id, HttpResponse response, CancellationToken stopped) =>
                ApiAnswers.WithRun(id, run => ModelAsync(backend, run, response, stopped)))
            .WithName("DownloadModel").WithSummary("The trained network's file")
            .Produces<byte[]>(contentType: "application/octet-stream").Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status409Conflict,
                StatusCodes.Status503ServiceUnavailable);
        foreach (RunControl control in Enum.GetValues<RunControl>())
        {
            runs.MapPost(
                    $"{{id}}/{control.ToString().ToLowerInvariant()}",
                    (string id, CancellationToken cancellation) => ApiAnswers.WithRun(
                        id, run => ApiAnswers.ChangeAsync(
                            backend, new CoordinatorRequest.ControlRun(run, control),
                            cancellation)))
                .WithName($"{control}Run").WithSummary(SummaryOf(control))
                .Produces(StatusCodes.Status204NoContent).Describes(
                    StatusCodes.Status404NotFound, StatusCodes.Status409Conflict,
                    StatusCodes.Status503ServiceUnavailable);
        }
    }

    private static string SummaryOf(RunControl control) => control switch
    {
        RunControl.Pause => "Saves a checkpoint and lets go of the nodes, until it is resumed",
        RunControl.Resume => "Lets a paused run go on",
        RunControl.Stop => "Ends a run; its checkpoints stay",
        _ => throw new InvalidOperationException($"unknown control {control}"),
    };

    private static void Show<T>(
        RouteGroupBuilder runs, string pattern, string name, string summary, ApiBackend backend,
        Func<CoordinatorAnswer.Run, T> body) =>
        runs.MapGet(pattern, (string id, HttpContext http) => ApiAnswers.WithRun(
                id, run => ApiAnswers.JsonAsync(
                    http, backend, new CoordinatorRequest.ShowRun(run), body)))
            .WithName(name).WithSummary(summary)
            .Produces<T>().Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status503ServiceUnavailable);

    private static async Task<IResult> ListAsync(
        HttpContext http, ApiBackend backend, int limit, string? after)
    {
        RunId? last = after is null ? null : new RunId(after);
        if (limit is < 1 or > MaxLimit || last is { IsValid: false })
        {
            return ApiAnswers.Problem(
                StatusCodes.Status400BadRequest,
                $"limit={limit} has to be 1 to {MaxLimit:N0}, and after={after} a run's name");
        }

        // One more tells whether there are more.
        return await ApiAnswers.JsonAsync<CoordinatorAnswer.Runs, RunPage>(
            http, backend, new CoordinatorRequest.ListRuns { After = last, Limit = limit + 1 },
            answer => new RunPage(
                [.. answer.All.Take(limit)],
                answer.All.Length > limit ? answer.All[limit - 1].Id : null));
    }

    private static async Task<IResult> SubmitAsync(
        ApiBackend backend, HttpRequest request, int priority, string? source, string? key,
        CancellationToken cancellation)
    {
        if (ApiAnswers.KeyRefusal(key) is { } refusal)
        {
            return refusal;
        }

        string specification = await SpecificationRoutes.ReadAsync(request, cancellation);
        string file = source ?? SpecificationRoutes.DefaultSource;
        try
        {
            SpecificationRoutes.Check(specification, file, backend);
        }
        catch (SpecificationException mistakes)
        {
            return ApiAnswers.Problem(mistakes);
        }

        return await ApiAnswers.ChangeAsync(
            backend,
            new CoordinatorRequest.Submit(
                key is null ? Guid.NewGuid() : SubmissionOf(key), specification, file, priority),
            cancellation);
    }

    /// <summary>The name of a submission with a key: the same for the same key.</summary>
    public static Guid SubmissionOf(string key) =>
        new(SHA256.HashData(Encoding.UTF8.GetBytes(key)).AsSpan(0, 16));

    private static async Task<IResult> SpecificationAsync(
        ApiBackend backend, RunId run, CancellationToken cancellation)
    {
        KnownAnswer known = await backend.Known.AskAsync(
            new CoordinatorRequest.ShowSpecification(run), cancellation);
        return known.Answer is CoordinatorAnswer.Specification specification
            ? Results.Text(specification.Text, "text/plain; charset=utf-8")
            : ApiAnswers.Of(known.Answer);
    }

    private static Task<IResult> ModelAsync(
        ApiBackend backend, RunId run, HttpResponse response, CancellationToken cancellation) =>
        ApiAnswers.WithModel(
            backend, run,
            model =>
            {
                response.ContentLength = model.Bytes;
                response.Headers.ETag = $"\"{model.Sha256}\"";
                response.Headers.ContentDisposition = $"attachment; filename=\"{run}.bpm\"";
                return ApiAnswers.SendAsync(
                    backend.ReadFile(model, cancellation), response, cancellation);
            },
            cancellation);
}
