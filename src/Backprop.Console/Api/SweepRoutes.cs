using System.Collections.Immutable;
using Backprop.Distributed.Coordination;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>A sweep that is handed in.</summary>
/// <param name="Specification">The sweep's text, which stands alone.</param>
/// <param name="Run">The text of the run that it sweeps, which stands alone.</param>
internal sealed record SweepSubmission(string? Specification, string? Run);

/// <summary>The answer to the submission of a sweep.</summary>
/// <param name="Id">Its name from now on.</param>
internal sealed record SubmittedSweep(SweepId Id);

/// <summary>A cluster's sweeps.</summary>
/// <param name="Sweeps">Newest first.</param>
internal sealed record SweepList(ImmutableArray<SweepSummaryView> Sweeps);

/// <summary>The routes that hand sweeps in, list them, show them and end them.</summary>
internal static class SweepRoutes
{
    private const string DefaultSource = "sweep";

    public static void Map(RouteGroupBuilder sweeps, ApiBackend backend)
    {
        sweeps.MapGet("", (Delegate)((HttpContext http) => ApiAnswers
                .JsonAsync<CoordinatorAnswer.Sweeps, SweepList>(
                    http, backend, new CoordinatorRequest.ListSweeps(),
                    answer => new SweepList(answer.All))))
            .WithName("ListSweeps").WithSummary("Sweeps, newest first")
            .Produces<SweepList>().Describes(StatusCodes.Status503ServiceUnavailable);
        sweeps.MapPost("", (
                SweepSubmission submission, int? priority, string? source,
                [FromHeader(Name = "Idempotency-Key")] string? key,
                CancellationToken cancellation) =>
                SubmitAsync(
                    backend, submission, priority ?? 0, source ?? DefaultSource, key, cancellation))
            .WithName("SubmitSweep")
            .WithSummary("Hands a sweep in: a run with many values of some keys, round after round")
            .Produces<SubmittedSweep>(StatusCodes.Status201Created).Describes(
                StatusCodes.Status400BadRequest, StatusCodes.Status409Conflict,
                StatusCodes.Status503ServiceUnavailable);
        sweeps.MapGet("{id}", (string id, HttpContext http) => ApiAnswers.WithSweep(
                id, sweep => ApiAnswers.JsonAsync<CoordinatorAnswer.Sweep, SweepDetail>(
                    http, backend, new CoordinatorRequest.ShowSweep(sweep),
                    answer => SweepDetail.Of(answer.View, backend.Plugins))))
            .WithName("ShowSweep")
            .WithSummary("One sweep: its rounds and trials, and the comparison of these")
            .Produces<SweepDetail>().Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status503ServiceUnavailable);
        sweeps.MapPost("{id}/stop", (string id, CancellationToken cancellation) =>
                ApiAnswers.WithSweep(id, sweep => ApiAnswers.ChangeAsync(
                    backend, new CoordinatorRequest.StopSweep(sweep), cancellation)))
            .WithName("StopSweep").WithSummary("Ends a sweep and its runs")
            .Produces(StatusCodes.Status204NoContent).Describes(
                StatusCodes.Status404NotFound, StatusCodes.Status409Conflict,
                StatusCodes.Status503ServiceUnavailable);
    }

    private static async Task<IResult> SubmitAsync(
        ApiBackend backend, SweepSubmission submission, int priority, string source, string? key,
        CancellationToken cancellation)
    {
        if (ApiAnswers.KeyRefusal(key) is { } refusal)
        {
            return refusal;
        }

        if (submission is not { Specification: { Length: > 0 } sweep, Run: { Length: > 0 } run })
        {
            return ApiAnswers.Problem(
                StatusCodes.Status400BadRequest,
                "a sweep has two texts: 'specification', its own, and 'run', that of the run that"
                + " it sweeps");
        }

        if (RegistryState.LengthRefusal(sweep, source) is { } tooLong)
        {
            return ApiAnswers.Problem(StatusCodes.Status400BadRequest, tooLong);
        }

        try
        {
            SpecificationRoutes.Check(run, $"the run of {source}", backend);
            ClusterRules.ReadSweep(
                sweep, source, run, RegistryState.MaxSpecificationLength, backend.FileRefusal,
                backend.Plugins);
        }
        catch (SpecificationException mistakes)
        {
            return ApiAnswers.Problem(mistakes);
        }

        return await ApiAnswers.ChangeAsync(
            backend,
            new CoordinatorRequest.SubmitSweep(
                key is null ? Guid.NewGuid() : RunRoutes.SubmissionOf(key), sweep, run, source,
                priority),
            cancellation);
    }
}
