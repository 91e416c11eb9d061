using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>Marks a route that changes nothing, though what it is asked takes a body: whoever may
/// look may ask it.</summary>
internal sealed class Reading
{
    private static readonly Reading s_mark = new();

    private Reading()
    {
    }

    /// <summary>Whether a request changes nothing.</summary>
    public static bool Is(HttpContext context) => AccessRules.IsSafe(context.Request.Method)
        || context.GetEndpoint()?.Metadata.GetMetadata<Reading>() is not null;

    /// <summary>Marks a route, and says so in the API's description.</summary>
    public static RouteHandlerBuilder Mark(RouteHandlerBuilder route) =>
        route.WithMetadata(s_mark).WithDescription("It changes nothing: a viewer may send it.");
}
