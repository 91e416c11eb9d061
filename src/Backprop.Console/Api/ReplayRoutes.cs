using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Backprop.Distributed.Coordination;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>What it takes to compute a run's steps again elsewhere.</summary>
/// <param name="Specification">The run's, which stands alone.</param>
/// <param name="Data">What identifies each part of its data, a line each.</param>
/// <param name="From">The newest checkpoint at or before the version; null: there is none, and one
/// begins with the first weights.</param>
internal sealed record ReplaySource(
    string Specification, ImmutableArray<string> Data, CheckpointManifest? From);

/// <summary>The routes that <c>backprop replay</c> asks.</summary>
internal static class ReplayRoutes
{
    public static void Map(RouteGroupBuilder runs, ApiBackend backend)
    {
        runs.MapGet("{id}/replay", (string id, long version, CancellationToken cancellation) =>
                ApiAnswers.WithRun(id, run => SourceAsync(backend, run, version, cancellation)))
            .WithName("ShowReplay")
            .WithSummary("What it takes to compute a version of a run again")
            .Produces<ReplaySource>().Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status409Conflict,
                StatusCodes.Status503ServiceUnavailable);
        runs.MapGet(
                "{id}/checkpoints/{version:long}",
                (string id, long version, HttpResponse response, CancellationToken cancellation) =>
                    ApiAnswers.WithRun(
                        id, run => CheckpointAsync(backend, run, version, response, cancellation)))
            .WithName("DownloadCheckpoint").WithSummary("A checkpoint's content")
            .Produces<byte[]>(contentType: "application/octet-stream").Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status503ServiceUnavailable);
        runs.MapGet(
                "{id}/digests",
                (string id, HttpResponse response, CancellationToken cancellation) =>
                    ApiAnswers.WithRun(
                        id, run => DigestsAsync(backend, run, response, cancellation)))
            .WithName("DownloadDigests").WithSummary("The digests of a run's versions")
            .Produces<byte[]>(contentType: "application/octet-stream").Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status503ServiceUnavailable);
    }

    private static async Task<IResult> SourceAsync(
        ApiBackend backend, RunId run, long version, CancellationToken cancellation) =>
        await backend.Coordinator.AskAsync(
            new CoordinatorRequest.ShowReplay(run, version), cancellation)
            is var answer && answer is CoordinatorAnswer.Replay replay
            ? Results.Ok(new ReplaySource(
                replay.Setup.Specification, replay.Setup.Outline.Digests, replay.From))
            : ApiAnswers.Of(answer);

    private static async Task<IResult> CheckpointAsync(
        ApiBackend backend, RunId run, long version, HttpResponse response,
        CancellationToken cancellation)
    {
        CoordinatorAnswer answer = await backend.Coordinator.AskAsync(
            new CoordinatorRequest.ShowReplay(run, version), cancellation);
        if (answer is not CoordinatorAnswer.Replay replay)
        {
            return ApiAnswers.Of(answer);
        }

        return replay.From is { } from && from.Version == version
            ? await ApiAnswers.SendAsync(
                backend.Checkpoints.ReadAsync(run, version, from.Parts, cancellation), response,
                cancellation)
            : ApiAnswers.Problem(
                StatusCodes.Status404NotFound, $"run {run} has no checkpoint of version {version}");
    }

    private static async Task<IResult> DigestsAsync(
        ApiBackend backend, RunId run, HttpResponse response, CancellationToken cancellation) =>
        await backend.Coordinator.AskAsync(new CoordinatorRequest.ShowRun(run), cancellation)
            is var answer && answer is CoordinatorAnswer.Run
            ? await ApiAnswers.SendAsync(FileOf(backend, run, cancellation), response, cancellation)
            : ApiAnswers.Of(answer);

    private static async IAsyncEnumerable<ReadOnlyMemory<byte>> FileOf(
        ApiBackend backend, RunId run, [EnumeratorCancellation] CancellationToken cancellation)
    {
        yield return DigestFormat.Header.ToArray();
        await foreach (ReadOnlyMemory<byte> chunk in
            backend.Digests.ReadAsync(run, 0, cancellation))
        {
            yield return chunk;
        }
    }
}
