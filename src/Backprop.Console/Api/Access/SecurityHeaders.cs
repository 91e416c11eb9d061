using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>What browsers are told about every answer.</summary>
internal static class SecurityHeaders
{
    // The page's files say what they need. No other answer is a page: should a browser take one for
    // it, nothing in it runs.
    private const string OfNoPage = "default-src 'none'; frame-ancestors 'none'";

    /// <summary>Adds them when the answer begins; what it has said itself stands.</summary>
    /// <param name="context">The request.</param>
    /// <param name="policy">What holds here.</param>
    public static void AddTo(HttpContext context, AccessPolicy policy) =>
        context.Response.OnStarting(() =>
        {
            IHeaderDictionary headers = context.Response.Headers;
            bool isApi = context.Request.Path.StartsWithSegments("/api");
            headers.TryAdd("X-Content-Type-Options", "nosniff");
            headers.TryAdd("Content-Security-Policy", OfNoPage);
            headers.TryAdd("Cross-Origin-Resource-Policy", "same-origin");
            headers.TryAdd("Referrer-Policy", "no-referrer");
            if (isApi && policy.NeedsToken)
            {
                headers.TryAdd("Cache-Control", "no-store");
            }

            return Task.CompletedTask;
        });
}
