namespace Backprop.Distributed.Access;

/// <summary>What is on record of a token; the token itself is not.</summary>
/// <param name="Id">Its public part.</param>
/// <param name="Name">What its maker called it; may be empty.</param>
/// <param name="Role">What its holder may do.</param>
/// <param name="Created">When it was made.</param>
/// <param name="Expires">When it ends; null: never.</param>
/// <param name="Revoked">When it was taken back; null: it was not.</param>
public sealed record AccessToken(
    string Id, string Name, AccessRole Role, DateTimeOffset Created, DateTimeOffset? Expires,
    DateTimeOffset? Revoked)
{
    /// <summary>The longest name.</summary>
    public const int MaxNameLength = 100;

    /// <summary>Why it is good no longer, in words; null: it is good.</summary>
    public string? WhyNot(DateTimeOffset now) => Revoked is { } revoked
        ? $"the token {Id} was revoked at {revoked:u}"
        : Expires <= now ? $"the token {Id} expired at {Expires:u}"
        : null;
}

/// <summary>A token as it is stored.</summary>
/// <param name="Token">What is on record.</param>
/// <param name="Sha256">Of its text, in hex: <see cref="TokenText.HashOf"/>.</param>
public sealed record StoredToken(AccessToken Token, string Sha256);

/// <summary>A login with a token, which ends before it.</summary>
/// <param name="Sha256">Of the login's secret, in hex.</param>
/// <param name="TokenId">The token that was logged in with.</param>
/// <param name="Created">When.</param>
/// <param name="Expires">When it ends.</param>
public sealed record AccessSession(
    string Sha256, string TokenId, DateTimeOffset Created, DateTimeOffset Expires);

/// <summary>A login, and the token that it rests on.</summary>
/// <param name="Session">The login.</param>
/// <param name="Token">The token: without it, the login is nothing.</param>
public sealed record StoredSession(AccessSession Session, AccessToken Token);
