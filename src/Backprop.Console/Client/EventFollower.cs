using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Backprop.Console.Api.Feeds;

namespace Backprop.Console.Client;

/// <summary>Follows events of the API, and takes them up again where they broke off. What keeps it
/// from hearing anything new is told as an event as well, <c>stale</c>.</summary>
/// <param name="api">The API.</param>
/// <param name="time">The clock.</param>
/// <param name="patience">How long nothing new may be heard because of troubles.</param>
internal sealed class EventFollower(ApiClient api, TimeProvider time, TimeSpan patience)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    /// <summary>Events until <c>end</c>, which is the last.</summary>
    /// <param name="path">Below the API's address.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="ApiUnavailableException">Troubles outlast the patience.</exception>
    /// <exception cref="MistakeException">There is nothing to follow there.</exception>
    public async IAsyncEnumerable<ServerEvent> FollowAsync(
        string path, [EnumeratorCancellation] CancellationToken cancellation)
    {
        string? after = null;
        long? troubledSince = null;
        bool isCutOff = false;
        bool isStale = false;
        while (true)
        {
            string trouble;
            await using (IAsyncEnumerator<SseItem<string>> items = api
                .EventsAsync(path, after, cancellation).GetAsyncEnumerator(cancellation))
            {
                while (true)
                {
                    (ServerEvent? told, trouble) = await NextAsync(items);
                    if (told is null)
                    {
                        break;
                    }

                    if (told.Kind == ServerEvent.StaleKind)
                    {
                        StaleNews news = told.Read<StaleNews>();
                        isStale = news.Seconds > 0;
                        RequirePatience(isStale ? troubledSince : null, $"{news.Reason}");
                    }
                    else if (isCutOff && !isStale)
                    {
                        yield return ServerEvent.Stale(TimeSpan.Zero, null);
                    }

                    isCutOff = false;
                    troubledSince = isStale ? troubledSince ?? time.GetTimestamp() : null;
                    after = told.Id ?? after;
                    yield return told;
                    if (told.Kind == ServerEvent.EndKind)
                    {
                        yield break;
                    }
                }
            }

            // Another node may answer next; if it knows nothing newer either, it says so.
            isCutOff = true;
            isStale = false;
            troubledSince ??= time.GetTimestamp();
            RequirePatience(troubledSince, trouble);
            yield return ServerEvent.Stale(
                time.GetElapsedTime(troubledSince.Value) + s_pause, trouble);
            await Task.Delay(s_pause, time, cancellation);
        }
    }

    private static async Task<(ServerEvent? Told, string Trouble)> NextAsync(
        IAsyncEnumerator<SseItem<string>> items)
    {
        try
        {
            return await items.MoveNextAsync()
                ? (new ServerEvent(
                    items.Current.EventType, items.Current.EventId, items.Current.Data), "")
                : (null, "the server has closed the connection");
        }
        catch (IOException away)
        {
            return (null, away.Message);
        }
    }

    private void RequirePatience(long? since, string trouble)
    {
        if (since is { } began && time.GetElapsedTime(began) >= patience)
        {
            throw new ApiUnavailableException(
                $"{trouble} (tried for {patience.TotalMinutes:0} minutes)");
        }
    }
}
