using System.Text.Json.Serialization;
using Backprop.Console.Api.Access;
using Backprop.Distributed.Access;

namespace Backprop.Console.Commands;

/// <summary>What <c>token</c> says of a token, for programs.</summary>
/// <param name="Id">Its identifier.</param>
/// <param name="Role">What it may do.</param>
/// <param name="Name">What it is for.</param>
/// <param name="Created">Since when.</param>
/// <param name="Expires">Until when; null: until it is revoked.</param>
/// <param name="State"><c>good</c>, <c>expired</c> or <c>revoked</c>.</param>
internal sealed record TokenDescription(
    string Id, string Role, string Name, DateTimeOffset Created, DateTimeOffset? Expires,
    string State)
{
    /// <summary>The token itself, where it was just made; else it is left out.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Token { get; init; }

    public static TokenDescription Of(AccessToken token, DateTimeOffset now) => new(
        token.Id, AccessRules.NameOf(token.Role), token.Name, token.Created, token.Expires,
        StateOf(token, now));

    /// <summary>Whether it is good, in a word.</summary>
    public static string StateOf(AccessToken token, DateTimeOffset now) =>
        token.Revoked is not null ? "revoked"
            : token.WhyNot(now) is not null ? "expired"
            : "good";
}
