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

    public static void Map(RouteGroupBuilder runs, ApiBackend backend) => runs.MapGet(
        "{id}/timeline", (string id, string? format, CancellationToken cancellation) =>
            ApiServer.WithRun(id, run => AnswerAsync(backend, run, format, cancellation)));

    private static async Task<IResult> AnswerAsync(
        ApiBackend backend, RunId run, string? format, CancellationToken cancellation)
    {
        if (format is not (null or Chrome))
        {
            return ApiServer.Problem(
                StatusCodes.Status400BadRequest,
                $"format={format}: '{Chrome}' would be right, or no format");
        }

        CoordinatorAnswer answer = await backend.Coordinator.AskAsync(
            new CoordinatorRequest.ShowTimeline(run), cancellation);
        return answer is not CoordinatorAnswer.Timeline { View: var view }
            ? ApiServer.ResultOf(answer)
            : format is null ? Results.Ok(view)
            : Results.File(ChromeTrace.Write(view), "application/json", NameOf(view));
    }

    private static string NameOf(TimelineView view) =>
        $"{view.Run}-steps-{view.FirstStep}-to-{view.EndStep}.json";
}
