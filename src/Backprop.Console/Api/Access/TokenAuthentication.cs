using System.Security.Claims;
using System.Text.Encodings.Web;
using Backprop.Distributed.Access;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Backprop.Console.Api.Access;

/// <summary>Finds out who a request is from: by its token, or the page's login.</summary>
internal sealed class TokenAuthentication(
    IOptionsMonitor<AuthenticationSchemeOptions> options, ILoggerFactory logger,
    UrlEncoder encoder, AccessDoor door)
    : AuthenticationHandler<AuthenticationSchemeOptions>(options, logger, encoder)
{
    /// <summary>What it is called.</summary>
    public const string SchemeName = "token";

    private AccessRefusal? _refusal;

    protected override async Task<AuthenticateResult> HandleAuthenticateAsync()
    {
        if (!door.Policy.NeedsToken || AccessDoor.IsOpen(Context.GetEndpoint())
            || Credential.Of(Request) is not { } credential)
        {
            return AuthenticateResult.NoResult();
        }

        (AccessIdentity? identity, _refusal) = await door.Check.CheckAsync(
            credential, Context.Connection.RemoteIpAddress, Context.RequestAborted);
        if (identity is not null && credential is Credential.Session session
            && !AccessRules.IsSafe(Request.Method)
            && !TokenText.AreEqual(session.Csrf, Request.Headers[Credential.CsrfHeader].ToString()))
        {
            _refusal = AccessRules.NotFromPage;
        }

        if (identity is null || _refusal is not null)
        {
            return AuthenticateResult.Fail(_refusal!.Detail);
        }

        Context.Features.Set(new AccessGrant(identity, credential));
        var principal = new ClaimsPrincipal(new ClaimsIdentity(
            [new Claim(ClaimTypes.Name, identity.Name)], SchemeName));
        return AuthenticateResult.Success(new AuthenticationTicket(principal, SchemeName));
    }

    protected override async Task HandleChallengeAsync(AuthenticationProperties properties)
    {
        AccessRefusal refusal = _refusal ?? AccessRules.TokenMissing;
        if (refusal.IsInvalid)
        {
            SessionCookies.Delete(Context);
        }

        await refusal.WriteAsync(Context);
    }

    protected override Task HandleForbiddenAsync(AuthenticationProperties properties) =>
        AccessRules.RoleRefusal(
            Context.Features.Get<AccessGrant>()!.Identity.Role,
            AccessRules.RoleFor(Reading.Is(Context)))!.WriteAsync(Context);
}

/// <summary>The requirement that whoever asks has the role that the request takes.</summary>
internal sealed class RequestRole : IAuthorizationRequirement;

/// <summary>Decides on <see cref="RequestRole"/>.</summary>
internal sealed class RequestRoleCheck(AccessDoor door) : AuthorizationHandler<RequestRole>
{
    protected override Task HandleRequirementAsync(
        AuthorizationHandlerContext context, RequestRole requirement)
    {
        if (context.Resource is HttpContext http
            && (!door.Policy.NeedsToken || AccessDoor.IsOpen(http.GetEndpoint())
                || (http.Features.Get<AccessGrant>() is { Identity.Role: var role }
                    && AccessRules.RoleRefusal(
                        role, AccessRules.RoleFor(Reading.Is(http))) is null)))
        {
            context.Succeed(requirement);
        }

        return Task.CompletedTask;
    }
}
