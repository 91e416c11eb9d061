using System.Net.ServerSentEvents;
using System.Text.Json;

namespace Backprop.Console.Tests.Api;

/// <summary>An event as it was received.</summary>
internal sealed record ReceivedEvent(string Kind, string? Id, JsonElement Data);

/// <summary>Reads server-sent events.</summary>
internal static class EventReader
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    /// <summary>Events until one is the last that is wanted.</summary>
    public static async Task<List<ReceivedEvent>> ReadAsync(
        HttpClient http, string path, string? after, Func<ReceivedEvent, bool> isLast)
    {
        using var limit = new CancellationTokenSource(s_limit);
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (after is not null)
        {
            request.Headers.Add("Last-Event-ID", after);
        }

        using HttpResponseMessage response = await http.SendAsync(
            request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
        response.EnsureSuccessStatusCode();
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        await using Stream content = await response.Content.ReadAsStreamAsync(limit.Token);
        var events = new List<ReceivedEvent>();
        await foreach (SseItem<string> item in
            SseParser.Create(content).EnumerateAsync(limit.Token))
        {
            events.Add(new ReceivedEvent(
                item.EventType, item.EventId, JsonDocument.Parse(item.Data).RootElement.Clone()));
            if (isLast(events[^1]))
            {
                break;
            }
        }

        return events;
    }
}
