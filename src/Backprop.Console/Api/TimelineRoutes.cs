using Backprop.Distributed.Coordination;
using Backprop.Distributed.Timelines;
using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>The route that shows what the nodes of a run did in its last steps.</summary>
internal static class TimelineRoutes
{
    private const string Chrome = "chrome";

    public static void Map(RouteGroupBuilder runs, ApiBackend backend) =>
        runs.MapGet("{id}/timeline", (string id, string? format, CancellationToken cancellation) =>
                ApiAnswers.WithRun(id, run => AnswerAsync(backend, run, format, cancellation)))
            .WithName("ShowTimeline")
            .WithSummary("What a run's nodes did in the last steps")
            .Produces<TimelineView>().Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status404NotFound,
                StatusCodes.Status409Conflict, StatusCodes.Status503ServiceUnavailable);

    private static async Task<IResult> AnswerAsync(
        ApiBackend backend, RunId run, string? format, CancellationToken cancellation)
    {
        if (format is not (null or Chrome))
        {
            return ApiAnswers.Problem(
                StatusCodes.Status400BadRequest,
                $"format={format}: '{Chrome}' would be right, or no format");
        }

        CoordinatorAnswer answer = await backend.Coordinator.AskAsync(
            new CoordinatorRequest.ShowTimeline(run), cancellation);
        return answer is not CoordinatorAnswer.Timeline { View: var view }
            ? ApiAnswers.Of(answer)
            : format is null ? Results.Ok(view)
            : Results.File(ChromeTrace.Write(view), "application/json", NameOf(view));
    }

    private static string NameOf(TimelineView view) =>
        $"{view.Run}-steps-{view.FirstStep}-to-{view.EndStep}.json";
}
