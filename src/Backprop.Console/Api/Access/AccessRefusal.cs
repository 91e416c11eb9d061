using System.Globalization;
using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>Why a request is not let in, as HTTP says it.</summary>
/// <param name="Status">The status.</param>
/// <param name="Detail">What is wrong, and what would be right; never what was presented.</param>
internal sealed record AccessRefusal(int Status, string Detail)
{
    /// <summary>Whether what was presented is no good, and should be forgotten.</summary>
    public bool IsInvalid { get; init; }

    /// <summary>When it may be tried again; null: that would change nothing.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>Answers with it.</summary>
    public async Task WriteAsync(HttpContext context)
    {
        if (Status == StatusCodes.Status401Unauthorized)
        {
            context.Response.Headers.WWWAuthenticate = IsInvalid
                ? "Bearer realm=\"backprop\", error=\"invalid_token\""
                : "Bearer realm=\"backprop\"";
        }

        if (RetryAfter is { } pause)
        {
            context.Response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(pause.TotalSeconds))
                .ToString(CultureInfo.InvariantCulture);
        }

        await ApiAnswers.Problem(Status, Detail).ExecuteAsync(context);
    }
}
