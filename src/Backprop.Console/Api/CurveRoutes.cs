using System.Collections.Immutable;
using Backprop.Console.Api.Feeds;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>A run's curves as a table by columns, each of the same length: see
/// <see cref="CurvePoint"/>.</summary>
/// <param name="Run">The run.</param>
/// <param name="End">One past the last step that is on record.</param>
/// <param name="Layers">The layers' names.</param>
/// <param name="Step">The first step of each point.</param>
/// <param name="Steps">How many it has.</param>
/// <param name="LossMin">The lowest loss.</param>
/// <param name="LossMean">The mean loss.</param>
/// <param name="LossMax">The highest loss.</param>
/// <param name="GradientNorm">The largest norm of the gradient.</param>
/// <param name="LearningRate">The last learning rate.</param>
/// <param name="StepSeconds">The mean time of a step.</param>
/// <param name="LayerNorms">By layer: the largest norm of its gradient.</param>
internal sealed record CurveTable(
    RunId Run, long End, ImmutableArray<string> Layers, ImmutableArray<long> Step,
    ImmutableArray<long> Steps, ImmutableArray<double> LossMin, ImmutableArray<double> LossMean,
    ImmutableArray<double> LossMax, ImmutableArray<double> GradientNorm,
    ImmutableArray<float> LearningRate, ImmutableArray<float> StepSeconds,
    ImmutableArray<ImmutableArray<float>> LayerNorms)
{
    public static CurveTable Of(
        RunId run, long end, ImmutableArray<string> layers, CurveSegment segment)
    {
        ImmutableArray<CurvePoint> points = segment.Points;
        return new CurveTable(
            run, end, layers,
            [.. points.Select(point => point.FirstStep)],
            [.. points.Select(point => point.Steps)],
            [.. points.Select(point => point.LossMin)],
            [.. points.Select(point => point.LossMean)],
            [.. points.Select(point => point.LossMax)],
            [.. points.Select(point => point.GradientNorm)],
            [.. points.Select(point => point.LearningRate)],
            [.. points.Select(point => point.StepSeconds)],
            [
                .. Enumerable.Range(0, segment.Layers).Select(
                    layer => Enumerable.Range(0, points.Length)
                        .Select(point => segment.NormsOf(point)[layer]).ToImmutableArray()),
            ]);
    }
}

/// <summary>The route of a run's curves.</summary>
internal static class CurveRoutes
{
    private const int DefaultPoints = 2_000;
    private const int MinPoints = 10;
    private const int MaxPoints = 10_000;

    public static void Map(RouteGroupBuilder runs, ApiBackend backend) =>
        runs.MapGet("{id}/curves", (
                string id, int? points, long? from, long? to, HttpContext http) =>
                ApiAnswers.WithRun(id, run => CurvesAsync(
                    http, backend, run, points ?? DefaultPoints, from ?? 0,
                    to ?? CurveGrid.MaxSteps)))
            .WithName("ShowCurves").WithSummary("A run's loss, norms, rate and speed by step")
            .Produces<CurveTable>().Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status404NotFound,
                StatusCodes.Status503ServiceUnavailable);

    private static async Task<IResult> CurvesAsync(
        HttpContext http, ApiBackend backend, RunId run, int points, long from, long to)
    {
        if (points is < MinPoints or > MaxPoints || from < 0 || to < from)
        {
            return ApiAnswers.Problem(
                StatusCodes.Status400BadRequest,
                $"points={points} has to be {MinPoints} to {MaxPoints:N0}, and from={from} at"
                + $" least 0 and at most to={to}");
        }

        using FeedReader? reader = backend.Runs.Open(run);
        if (reader is null)
        {
            return EventRoutes.Busy();
        }

        if (await reader.Feed.ReadyAsync(http.RequestAborted) is { } refused)
        {
            return ApiAnswers.Of(refused);
        }

        FeedState state = reader.Feed.State;
        CurveSegment found = state.Curves.Between(from, to);
        return ApiAnswers.Json(
            http, state.Age, state.Trouble,
            CurveTable.Of(
                run, state.Curves.EndStep, state.Layers, CurveThinning.Thin(found, points)));
    }
}
