using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>The two cookies of a login: one that the page cannot read, and one that it can, and
/// repeats, which a page of another origin could not.</summary>
internal static class SessionCookies
{
    /// <summary>Hands them out.</summary>
    public static void Append(HttpContext context, string secret, TimeSpan life)
    {
        context.Response.Cookies.Append(
            Credential.SessionCookie, secret, Options(context, isReadable: false, life));
        context.Response.Cookies.Append(
            Credential.CsrfCookie, AccessRules.CsrfOf(secret),
            Options(context, isReadable: true, life));
    }

    /// <summary>Takes those back that a request has come with.</summary>
    public static void Delete(HttpContext context)
    {
        Delete(context, Credential.SessionCookie, isReadable: false);
        Delete(context, Credential.CsrfCookie, isReadable: true);
    }

    private static void Delete(HttpContext context, string name, bool isReadable)
    {
        if (context.Request.Cookies.ContainsKey(name))
        {
            context.Response.Cookies.Delete(name, Options(context, isReadable, life: null));
        }
    }

    private static CookieOptions Options(HttpContext context, bool isReadable, TimeSpan? life) =>
        new()
        {
            HttpOnly = !isReadable,
            Secure = context.Request.IsHttps,
            SameSite = SameSiteMode.Strict,
            Path = "/",
            MaxAge = life,
            IsEssential = true,
        };
}
