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
        using var reader = new StreamReader(
            await response.Content.ReadAsStreamAsync(limit.Token));
        var events = new List<ReceivedEvent>();
        string kind = "", data = "";
        string? id = null;
        while (await reader.ReadLineAsync(limit.Token) is { } line)
        {
            if (line.Length == 0 && kind.Length > 0)
            {
                events.Add(new ReceivedEvent(
                    kind, id, JsonDocument.Parse(data).RootElement.Clone()));
                (kind, data) = ("", "");
                if (isLast(events[^1]))
                {
                    return events;
                }
            }
            else if (line.StartsWith("event: ", StringComparison.Ordinal))
            {
                kind = line[7..];
            }
            else if (line.StartsWith("id: ", StringComparison.Ordinal))
            {
                id = line[4..];
            }
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                data += line[6..];
            }
        }

        return events;
    }
}
