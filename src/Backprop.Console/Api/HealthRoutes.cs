using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>What a node says of its health.</summary>
/// <param name="Status"><c>live</c>, or <c>ready</c>.</param>
/// <param name="Database"><c>reached</c> or <c>away</c>; why it is away is in the node's log, not
/// for everybody.</param>
internal sealed record HealthReport(string Status, string Database);

/// <summary>The routes that whoever runs a node asks: they say nothing but that, and are for
/// everybody.</summary>
internal static class HealthRoutes
{
    /// <summary>200 while the process is alive.</summary>
    public const string Live = "/health/live";

    /// <summary>200 while the node is up in its cluster, else 503 with the reason.</summary>
    public const string Ready = "/health/ready";

    public static void Map(IEndpointRouteBuilder routes, NodeHealth health)
    {
        routes.MapGet(Live, (HttpResponse response) => Answer(response, health, "live", null))
            .AllowAnonymous().ExcludeFromDescription();
        routes.MapGet(
                Ready,
                (HttpResponse response) => Answer(response, health, "ready", health.Unready()))
            .AllowAnonymous().ExcludeFromDescription();
    }

    private static IResult Answer(
        HttpResponse response, NodeHealth health, string status, string? reason)
    {
        response.Headers.CacheControl = "no-store";
        string database = health.Trouble() is null ? "reached" : "away";
        return reason is null
            ? Results.Json(new HealthReport(status, database), ApiJson.Options)
            : Results.Problem(
                reason, statusCode: StatusCodes.Status503ServiceUnavailable,
                extensions: new Dictionary<string, object?> { ["database"] = database });
    }
}
