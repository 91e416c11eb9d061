using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Api.Feeds;

namespace Backprop.Console.Client;

/// <summary>An event that the API has told, or the follower: <c>stale</c> while it does not answer.
/// </summary>
/// <param name="Kind">What kind of event it is, see <c>docs/http-api.md</c>.</param>
/// <param name="Id">How far its reader has come with it; null: nothing can be gone on from.</param>
/// <param name="Data">JSON.</param>
internal sealed record ServerEvent(string Kind, string? Id, string Data)
{
    /// <summary>Nothing newer is known.</summary>
    public const string StaleKind = "stale";

    /// <summary>Nothing follows.</summary>
    public const string EndKind = "end";

    /// <summary>That nothing newer is known; of no age: it is again.</summary>
    public static ServerEvent Stale(TimeSpan age, string? reason) => new(
        StaleKind, null,
        JsonSerializer.Serialize(new StaleNews(age.TotalSeconds, reason), ApiJson.Options));

    /// <summary>What it says.</summary>
    /// <exception cref="ApiUnavailableException">Something else; another version may have told
    /// it.</exception>
    public T Read<T>()
    {
        try
        {
            return JsonSerializer.Deserialize<T>(Data, ApiJson.Options)
                ?? throw new JsonException("it is null");
        }
        catch (JsonException failure)
        {
            throw new ApiUnavailableException(
                $"the cluster's events are of another version ('{Kind}': {failure.Message}): use"
                + " the program that the cluster runs", failure);
        }
    }
}
