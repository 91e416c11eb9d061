using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace Backprop.Console.Api;

/// <summary>One mistake in a specification, for programs.</summary>
/// <param name="Path">The key's path, for example <c>model[1].dense.units</c>; empty: a mistake of
/// syntax.</param>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1.</param>
/// <param name="Message">What is wrong, and what would be right.</param>
internal sealed record SpecificationMistake(string Path, int Line, int Column, string Message)
{
    public static SpecificationMistake Of(SpecificationError error) => new(
        error.Path, error.Position.Line, error.Position.Column, error.Message);
}

/// <summary>Answers of the coordinator, as HTTP says them.</summary>
internal static class ApiAnswers
{
    private const int MaxKeyLength = 200;

    /// <summary>An answer with a body, or 304 where the sender has it already.</summary>
    /// <param name="http">The request.</param>
    /// <param name="age">How old the answer is.</param>
    /// <param name="trouble">Why there is no newer one, in words; null: it is of now.</param>
    /// <param name="body">To be written as JSON.</param>
    public static IResult Json<T>(HttpContext http, TimeSpan age, string? trouble, T body)
    {
        HttpResponse response = http.Response;
        if (trouble is not null)
        {
            response.Headers.Age =
                ((long)age.TotalSeconds).ToString(CultureInfo.InvariantCulture);
            response.Headers.Warning = "110 - \"the coordinator does not answer\"";
        }

        byte[] bytes = JsonSerializer.SerializeToUtf8Bytes(body, ApiJson.Options);
        var tag = new EntityTagHeaderValue(
            $"\"{Convert.ToHexStringLower(XxHash128.Hash(bytes))}\"");
        return Results.Bytes(bytes, "application/json; charset=utf-8", entityTag: tag);
    }

    /// <summary>Asks the coordinator for what may be somewhat old, and answers with a part of
    /// it.</summary>
    public static async Task<IResult> JsonAsync<TAnswer, T>(
        HttpContext http, ApiBackend backend, CoordinatorRequest request,
        Func<TAnswer, T> body)
        where TAnswer : CoordinatorAnswer
    {
        KnownAnswer known = await backend.Known.AskAsync(request, http.RequestAborted);
        return known.Answer is TAnswer answer
            ? Json(http, known.Age, known.Trouble, body(answer))
            : Of(known.Answer);
    }

    /// <summary>Answers about a run, if that can be its name.</summary>
    public static async Task<IResult> WithRun(string id, Func<RunId, Task<IResult>> answer)
    {
        var run = new RunId(id);
        return run.IsValid
            ? await answer(run)
            : Problem(StatusCodes.Status404NotFound, $"there is no run '{id}'");
    }

    /// <summary>Answers about a sweep, if that can be its name.</summary>
    public static async Task<IResult> WithSweep(string id, Func<SweepId, Task<IResult>> answer)
    {
        var sweep = new SweepId(id);
        return sweep.IsValid
            ? await answer(sweep)
            : Problem(StatusCodes.Status404NotFound, $"there is no sweep '{id}'");
    }

    /// <summary>Why the key of a submission cannot be one; null: it can, or there is none.
    /// </summary>
    public static IResult? KeyRefusal(string? key) => key is { Length: 0 or > MaxKeyLength }
        ? Problem(
            StatusCodes.Status400BadRequest,
            $"Idempotency-Key has {key.Length} characters, where 1 to {MaxKeyLength} belong")
        : null;

    /// <summary>Asks the coordinator to change something.</summary>
    public static async Task<IResult> ChangeAsync(
        ApiBackend backend, CoordinatorRequest request, CancellationToken cancellation)
    {
        CoordinatorAnswer answer = await backend.Coordinator.AskAsync(request, cancellation);
        backend.Known.Change();
        return Of(answer);
    }

    /// <summary>Answers with a run's trained model, if it has one.</summary>
    public static async Task<IResult> WithModel(
        ApiBackend backend, RunId run, Func<StoredFile, Task<IResult>> answer,
        CancellationToken cancellation)
    {
        KnownAnswer known = await backend.Known.AskAsync(
            new CoordinatorRequest.ShowRun(run), cancellation);
        return known.Answer is not CoordinatorAnswer.Run { View: var view } ? Of(known.Answer)
            : view.Model is { } model ? await answer(model)
            : Problem(
                StatusCodes.Status409Conflict,
                $"run {run} has no trained model yet: {view.Summary.Reason}");
    }

    /// <summary>What the coordinator has answered, if it is no more than that it is done, or a
    /// refusal.</summary>
    public static IResult Of(CoordinatorAnswer answer) => answer switch
    {
        CoordinatorAnswer.Submitted submitted => Results.Created(
            $"{ApiServer.Prefix}/runs/{submitted.Id}", new SubmittedRun(submitted.Id)),
        CoordinatorAnswer.SubmittedSweep submitted => Results.Created(
            $"{ApiServer.Prefix}/sweeps/{submitted.Id}", new SubmittedSweep(submitted.Id)),
        CoordinatorAnswer.Done => Results.NoContent(),
        CoordinatorAnswer.Refused refused => Problem(StatusOf(refused.Kind), refused.Reason),
        _ => throw new InvalidOperationException($"unknown answer {answer}"),
    };

    /// <summary>A refusal.</summary>
    public static IResult Problem(int status, string detail) =>
        Results.Problem(detail, statusCode: status);

    /// <summary>The refusal of a specification.</summary>
    public static IResult Problem(SpecificationException mistakes) => Results.Problem(
        mistakes.Message, statusCode: StatusCodes.Status400BadRequest,
        extensions: new Dictionary<string, object?>
        {
            ["errors"] = mistakes.Errors.Select(SpecificationMistake.Of).ToArray(),
        });

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

    private static int StatusOf(RefusalKind kind) => kind switch
    {
        RefusalKind.Invalid => StatusCodes.Status400BadRequest,
        RefusalKind.NotFound => StatusCodes.Status404NotFound,
        RefusalKind.Conflict => StatusCodes.Status409Conflict,
        _ => StatusCodes.Status503ServiceUnavailable,
    };
}

/// <summary>The answer to a submission.</summary>
/// <param name="Id">The run's name from now on.</param>
internal sealed record SubmittedRun(RunId Id);
