using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>What browsers are told about every answer.</summary>
internal static class SecurityHeaders
{
    // An answer of the API is no page: should a browser take it for one, nothing in it runs.
    private const string OfApi = "default-src 'none'; frame-ancestors 'none'";

    private const string OfPage =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        + " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
        + " form-action 'self'; frame-ancestors 'none'";

    /// <summary>Adds them when the answer begins; what it has said itself stands.</summary>
    /// <param name="context">The request.</param>
    /// <param name="policy">What holds here.</param>
    public static void AddTo(HttpContext context, AccessPolicy policy) =>
        context.Response.OnStarting(() =>
        {
            IHeaderDictionary headers = context.Response.Headers;
            bool isApi = context.Request.Path.StartsWithSegments("/api");
            headers.TryAdd("X-Content-Type-Options", "nosniff");
            headers.TryAdd("Content-Security-Policy", isApi ? OfApi : OfPage);
            headers.TryAdd("Cross-Origin-Resource-Policy", "same-origin");
            headers.TryAdd("Referrer-Policy", "no-referrer");
            if (isApi && policy.NeedsToken)
            {
                headers.TryAdd("Cache-Control", "no-store");
            }

            return Task.CompletedTask;
        });
}
