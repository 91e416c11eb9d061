using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Backprop.Console.Api.Feeds;

/// <summary>A response of server-sent events, as the HTML standard has them (section 9.2).
/// </summary>
internal sealed class EventStream : IDisposable
{
    private readonly HttpResponse _response;
    private readonly CancellationTokenSource _ending;
    private readonly TimeSpan _patience;
    private readonly MemoryStream _frame = new();

    private EventStream(HttpContext http, CancellationToken stopping, TimeSpan patience)
    {
        _response = http.Response;
        _patience = patience;
        _ending = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, stopping);
    }

    /// <summary>Whether the reader has gone, or the node stops.</summary>
    public bool HasEnded => _ending.IsCancellationRequested;

    /// <summary>Begins the response.</summary>
    /// <param name="http">The request.</param>
    /// <param name="stopping">That the node stops.</param>
    /// <param name="patience">How long the reader may take for an event.</param>
    public static async Task<EventStream> BeginAsync(
        HttpContext http, CancellationToken stopping, TimeSpan patience)
    {
        http.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
        http.Response.ContentType = "text/event-stream";
        http.Response.Headers.CacheControl = "no-store";
        var stream = new EventStream(http, stopping, patience);
        await stream.SignAsync();
        return stream;
    }

    /// <summary>Sends an event.</summary>
    /// <param name="happened">The event.</param>
    /// <param name="id">How far the reader has come with it; null: nothing can be gone on from.
    /// </param>
    public Task SendAsync(FeedEvent happened, string? id)
    {
        _frame.SetLength(0);
        Write($"event: {happened.Kind}\n");
        if (id is not null)
        {
            Write($"id: {id}\n");
        }

        // JSON has no line's end in it.
        Write("data: ");
        _frame.Write(happened.Data.Span);
        Write("\n\n");
        return FlushAsync();
    }

    /// <summary>A sign of life.</summary>
    public Task SignAsync()
    {
        _frame.SetLength(0);
        Write(":\n\n");
        return FlushAsync();
    }

    /// <summary>Waits for what is next, as long as the stream goes on.</summary>
    /// <returns>That, or <paramref name="otherwise"/> where the stream has ended.</returns>
    public async Task<T> WaitAsync<T>(Func<CancellationToken, Task<T>> wait, T otherwise)
    {
        try
        {
            return await wait(_ending.Token);
        }
        catch (OperationCanceledException) when (HasEnded)
        {
            return otherwise;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _ending.Dispose();
        _frame.Dispose();
    }

    private void Write(string text) => _frame.Write(Encoding.UTF8.GetBytes(text));

    private async Task FlushAsync()
    {
        if (HasEnded)
        {
            return;
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_ending.Token);
        limit.CancelAfter(_patience);
        try
        {
            await _response.Body.WriteAsync(
                _frame.GetBuffer().AsMemory(0, (int)_frame.Length), limit.Token);
            await _response.Body.FlushAsync(limit.Token);
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            // The reader has gone, or takes nothing: it may come back, and misses nothing.
            await _ending.CancelAsync();
        }
    }
}
