using Backprop.Distributed.Access;
using Microsoft.AspNetCore.Http;

namespace Backprop.Console.Api.Access;

/// <summary>Who a request is from.</summary>
/// <param name="TokenId">The token that it rests on.</param>
/// <param name="Name">The token's name.</param>
/// <param name="Role">What it may do.</param>
/// <param name="Expires">When that ends; null: never.</param>
internal sealed record AccessIdentity(
    string TokenId, string Name, AccessRole Role, DateTimeOffset? Expires);

/// <summary>What a request brings along to show who it is from.</summary>
internal abstract record Credential
{
    /// <summary>The cookie that holds a login's secret.</summary>
    public const string SessionCookie = "backprop-session";

    /// <summary>The cookie that the page reads, and repeats.</summary>
    public const string CsrfCookie = "backprop-csrf";

    /// <summary>The header that it repeats it in.</summary>
    public const string CsrfHeader = "X-CSRF-Token";

    private const string Bearer = "Bearer ";

    private Credential()
    {
    }

    /// <summary>What is looked up by: nothing that it is told to opens a door.</summary>
    public abstract string Key { get; }

    /// <summary>A token.</summary>
    public sealed record Token(string Id, string Sha256) : Credential
    {
        public override string Key => $"token {Id} {Sha256}";
    }

    /// <summary>A login.</summary>
    public sealed record Session(string Sha256, string Csrf) : Credential
    {
        public override string Key => $"session {Sha256}";
    }

    /// <summary>Something that is neither.</summary>
    public sealed record Malformed : Credential
    {
        public override string Key => "";
    }

    /// <summary>That of a request: its token goes before its login. Null: there is none.</summary>
    public static Credential? Of(HttpRequest request)
    {
        string authorization = request.Headers.Authorization.ToString();
        if (authorization.Length > 0)
        {
            return authorization.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
                ? OfToken(authorization[Bearer.Length..].Trim())
                : new Malformed();
        }

        return request.Cookies.TryGetValue(SessionCookie, out string? secret)
            ? TokenText.IsSecret(secret) ? OfSession(secret) : new Malformed()
            : null;
    }

    /// <summary>A token that was handed in.</summary>
    public static Credential OfToken(string text) => TokenText.TryParse(text, out string? id)
        ? new Token(id, TokenText.HashOf(text))
        : new Malformed();

    /// <summary>A login.</summary>
    public static Session OfSession(string secret) =>
        new(TokenText.HashOf(secret), AccessRules.CsrfOf(secret));

    /// <summary>Never what was presented, wherever it may be written.</summary>
    public sealed override string ToString() => GetType().Name;
}
