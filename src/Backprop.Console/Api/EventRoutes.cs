using Backprop.Console.Api.Feeds;
using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>The routes of what happens, as it happens: server-sent events.</summary>
internal static class EventRoutes
{
    private const int MaxStreams = 500;
    private const string MediaType = "text/event-stream";

    // Also how soon it is noticed that a reader has gone.
    private static readonly TimeSpan s_sign = TimeSpan.FromSeconds(10);

    // Who does not take an event in this time is cut off, and may come back.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static int s_streams;

    public static void Map(RouteGroupBuilder api, RouteGroupBuilder runs, ApiBackend backend)
    {
        runs.MapGet("{id}/events", (
                string id, string? after,
                [FromHeader(Name = "Last-Event-ID")] string? lastEvent, HttpContext http) =>
                ApiAnswers.WithRun(
                    id, run => FollowRunAsync(http, backend, run, lastEvent ?? after)))
            .WithName("FollowRun").WithSummary("What happens to a run, as it happens")
            .Produces<string>(contentType: MediaType).Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status404NotFound,
                StatusCodes.Status503ServiceUnavailable);
        api.MapGet("/events", (Delegate)((HttpContext http) => FollowClusterAsync(http, backend)))
            .WithName("FollowCluster").WithTags("Cluster")
            .WithSummary("The list of runs and the cluster, as they change")
            .Produces<string>(contentType: MediaType)
            .Describes(StatusCodes.Status503ServiceUnavailable);
    }

    /// <summary>The refusal of one more reader.</summary>
    public static IResult Busy() => ApiAnswers.Problem(
        StatusCodes.Status503ServiceUnavailable,
        "too much is looked at through this node at once; another node may have room");

    private static async Task<IResult> FollowRunAsync(
        HttpContext http, ApiBackend backend, RunId run, string? after)
    {
        EventCursor cursor = default;
        if (after is not null && !EventCursor.TryParse(after, out cursor))
        {
            return ApiAnswers.Problem(
                StatusCodes.Status400BadRequest, $"'{after}' is not the id of an event");
        }

        using FeedReader? reader = backend.Runs.Open(run);
        if (reader is null || !TryEnter())
        {
            return Busy();
        }

        try
        {
            if (await reader.Feed.ReadyAsync(http.RequestAborted) is { } refused)
            {
                return ApiAnswers.Of(refused);
            }

            await SendAsync(
                http, backend, new RunEventReader(run, cursor), reader.Feed);
            return Results.Empty;
        }
        finally
        {
            Interlocked.Decrement(ref s_streams);
        }
    }

    private static async Task SendAsync(
        HttpContext http, ApiBackend backend, RunEventReader reader, RunFeed feed)
    {
        using EventStream stream = await EventStream.BeginAsync(http, backend.Stopping, s_patience);
        FeedState state = feed.State;
        while (!stream.HasEnded)
        {
            foreach (FeedEvent happened in reader.Read(state))
            {
                await stream.SendAsync(happened, reader.Cursor.ToString());
            }

            if (reader.IsAtEnd)
            {
                return;
            }

            FeedState next = await stream.WaitAsync(
                token => feed.NextAsync(state.Number, s_sign, token), state);
            if (next.Number == state.Number)
            {
                await stream.SignAsync();
            }

            state = next;
        }
    }

    private static async Task<IResult> FollowClusterAsync(HttpContext http, ApiBackend backend)
    {
        if (!TryEnter())
        {
            return Busy();
        }

        backend.Cluster.Enter();
        try
        {
            using EventStream stream =
                await EventStream.BeginAsync(http, backend.Stopping, s_patience);
            var seen = new ClusterFeedState(0, default, default, null, TimeSpan.Zero);
            while (!stream.HasEnded)
            {
                ClusterFeedState next = await stream.WaitAsync(
                    token => backend.Cluster.NextAsync(seen.Number, s_sign, token), seen);
                await SendAsync(stream, seen, next);
                seen = next;
            }

            return Results.Empty;
        }
        finally
        {
            backend.Cluster.Leave();
            Interlocked.Decrement(ref s_streams);
        }
    }

    private static async Task SendAsync(
        EventStream stream, ClusterFeedState seen, ClusterFeedState next)
    {
        if (next.Number == seen.Number)
        {
            await stream.SignAsync();
            return;
        }

        if (next.Trouble is not null || seen.Trouble is not null)
        {
            await stream.SendAsync(RunEventReader.Stale(next.Age, next.Trouble), null);
        }

        if (!next.Runs.Span.SequenceEqual(seen.Runs.Span))
        {
            await stream.SendAsync(new FeedEvent("runs", next.Runs), null);
        }

        if (!next.Cluster.Span.SequenceEqual(seen.Cluster.Span))
        {
            await stream.SendAsync(new FeedEvent("cluster", next.Cluster), null);
        }
    }

    private static bool TryEnter()
    {
        if (Interlocked.Increment(ref s_streams) <= MaxStreams)
        {
            return true;
        }

        Interlocked.Decrement(ref s_streams);
        return false;
    }
}
