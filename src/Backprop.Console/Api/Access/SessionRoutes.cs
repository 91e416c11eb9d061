using System.Net;
using System.Text.Json;
using Backprop.Distributed.Access;
using Backprop.Distributed.Persistence;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api.Access;

/// <summary>What the page logs in with.</summary>
/// <param name="Token">A token.</param>
internal sealed record SessionRequest(string? Token);

/// <summary>Who the page is logged in as.</summary>
/// <param name="Required">Whether a login is needed at all.</param>
/// <param name="Role">What may be done; null: nothing yet.</param>
/// <param name="Name">The token's name; null: there is none.</param>
/// <param name="Expires">When the login ends; null: it does not.</param>
internal sealed record SessionView(
    bool Required, AccessRole? Role, string? Name, DateTimeOffset? Expires);

/// <summary>
/// The page's login. A cookie holds a secret of the login's own, of which the state database has
/// the hash: any node knows the login, it ends with its token, or by itself after some hours, or
/// when the user says so; and the token is in no browser's store. Cookies that carry their own
/// content, encrypted, would need keys that all nodes share and keep.
/// </summary>
internal static class SessionRoutes
{
    private const int MaxBodyBytes = 4_096;

    private static readonly TimeSpan s_life = TimeSpan.FromHours(12);

    public static void Map(WebApplication application, AccessDoor door)
    {
        RouteGroupBuilder session =
            application.MapGroup(ApiServer.Prefix + "/session").AllowAnonymous();
        session.MapGet("", Handler(context => ShowAsync(context, door)));
        session.MapPost("", Handler(context => LogInAsync(context, door)));
        session.MapDelete("", Handler(context => LogOutAsync(context, door)));
    }

    // A lambda of its own would be taken for one that writes the answer itself.
    private static Delegate Handler(Func<HttpContext, Task<IResult>> answer) => answer;

    private static async Task<IResult> ShowAsync(HttpContext context, AccessDoor door)
    {
        if (!door.Policy.NeedsToken)
        {
            return Results.Ok(new SessionView(false, AccessRole.Admin, null, null));
        }

        AccessIdentity? identity = null;
        if (Credential.Of(context.Request) is { } credential)
        {
            (identity, AccessRefusal? refusal) = await CheckAsync(context, credential, door);
            if (refusal is { IsInvalid: false })
            {
                return new Refused(refusal);
            }
        }

        if (identity is null)
        {
            SessionCookies.Delete(context);
        }

        return Results.Ok(new SessionView(
            true, identity?.Role, identity?.Name, identity?.Expires));
    }

    private static async Task<IResult> LogInAsync(HttpContext context, AccessDoor door)
    {
        if (!door.Policy.NeedsToken)
        {
            return Results.NoContent();
        }

        if (await ReadTokenAsync(context) is not { } text)
        {
            return ApiAnswers.Problem(
                StatusCodes.Status400BadRequest,
                """the body has to be {"token":"bp_..."}, as 'backprop token create' prints it""");
        }

        (AccessIdentity? identity, AccessRefusal? refusal) =
            await CheckAsync(context, Credential.OfToken(text.Trim()), door);
        if (identity is null)
        {
            return new Refused(refusal!);
        }

        DateTimeOffset now = door.Time.GetUtcNow();
        DateTimeOffset expires = identity.Expires is { } end && end < now + s_life
            ? end
            : now + s_life;
        string secret = TokenText.GenerateSecret();
        try
        {
            await door.Tokens.AddAsync(
                new AccessSession(TokenText.HashOf(secret), identity.TokenId, now, expires),
                context.RequestAborted);
        }
        catch (StateDatabaseException failure)
        {
            return new Refused(AccessRules.Unknowable(failure.Message));
        }

        SessionCookies.Append(context, secret, expires - now);
        return Results.NoContent();
    }

    private static async Task<IResult> LogOutAsync(HttpContext context, AccessDoor door)
    {
        if (door.Policy.NeedsToken
            && context.Request.Cookies.TryGetValue(Credential.SessionCookie, out string? secret)
            && TokenText.IsSecret(secret))
        {
            Credential.Session session = Credential.OfSession(secret);
            if (!TokenText.AreEqual(
                session.Csrf, context.Request.Headers[Credential.CsrfHeader].ToString()))
            {
                return new Refused(AccessRules.NotFromPage);
            }

            (AccessIdentity? identity, AccessRefusal? refusal) =
                await CheckAsync(context, session, door);
            if (refusal is { IsInvalid: false })
            {
                return new Refused(refusal);
            }

            try
            {
                if (identity is not null)
                {
                    await door.Tokens.EndSessionAsync(session.Sha256, context.RequestAborted);
                    door.Check.Forget(session);
                }
            }
            catch (StateDatabaseException failure)
            {
                return new Refused(AccessRules.Unknowable(failure.Message));
            }
        }

        SessionCookies.Delete(context);
        return Results.NoContent();
    }

    private static Task<CheckedCredential> CheckAsync(
        HttpContext context, Credential credential, AccessDoor door)
    {
        IPAddress? client = context.Connection.RemoteIpAddress;
        return door.Check.CheckAsync(credential, client, context.RequestAborted);
    }

    private static async Task<string?> ReadTokenAsync(HttpContext context)
    {
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = MaxBodyBytes;
        }

        try
        {
            SessionRequest? request = await JsonSerializer.DeserializeAsync<SessionRequest>(
                context.Request.Body, ApiJson.Options, context.RequestAborted);
            return request?.Token;
        }
        catch (JsonException)
        {
            // What it says may repeat a part of the body, which is a secret.
            return null;
        }
    }

    /// <summary>A refusal in the place of an answer.</summary>
    private sealed class Refused(AccessRefusal refusal) : IResult
    {
        public Task ExecuteAsync(HttpContext httpContext) => refusal.WriteAsync(httpContext);
    }
}
