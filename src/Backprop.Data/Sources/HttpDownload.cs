namespace Backprop.Data.Sources;

/// <summary>What a download may take.</summary>
public sealed record HttpLimits
{
    /// <summary>The largest file. Default 64 GiB.</summary>
    public long MaxBytes { get; init; } = 64L << 30;

    /// <summary>How long a server may stay silent. Default 30 seconds.</summary>
    public TimeSpan Silence { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a whole file may take. Default 2 hours.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromHours(2);
}

/// <summary>Gets files by HTTP(S).</summary>
/// <param name="limits">What a download may take.</param>
public sealed class HttpDownload(HttpLimits limits) : IFileDownload
{
    private const int BufferBytes = 1 << 17;

    // One for the process: connections are shared, and time is bounded here, file by file.
    private static readonly HttpClient Client = new(new SocketsHttpHandler
    {
        ConnectTimeout = TimeSpan.FromSeconds(15),
        MaxAutomaticRedirections = 5,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
        UseCookies = false,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <inheritdoc/>
    public void Download(Uri url, Stream destination) =>
        DownloadAsync(url, destination).GetAwaiter().GetResult();

    private async Task DownloadAsync(Uri url, Stream destination)
    {
        using var total = new CancellationTokenSource(limits.Total);
        using var silence = CancellationTokenSource.CreateLinkedTokenSource(total.Token);
        using HttpResponseMessage response = await Guarded(
            () => Client.GetAsync(
                url, HttpCompletionOption.ResponseHeadersRead, silence.Token),
            total, silence).ConfigureAwait(false);
        RequireAnswer(response);
        using Stream body = await Guarded(
            () => response.Content.ReadAsStreamAsync(silence.Token), total, silence)
            .ConfigureAwait(false);
        var buffer = new byte[BufferBytes];
        long length = 0;
        while (true)
        {
            int read = await Guarded(
                () => body.ReadAsync(buffer, silence.Token).AsTask(), total, silence)
                .ConfigureAwait(false);
            if (read == 0)
            {
                return;
            }

            length += read;
            RequireSize(length);
            destination.Write(buffer.AsSpan(0, read));
        }
    }

    /// <summary>One exchange with the server, which has to end before the silence is too long.
    /// </summary>
    private async Task<T> Guarded<T>(
        Func<Task<T>> exchange, CancellationTokenSource total, CancellationTokenSource silence)
    {
        try
        {
            silence.CancelAfter(limits.Silence);
            return await exchange().ConfigureAwait(false);
        }
        catch (OperationCanceledException e) when (total.IsCancellationRequested)
        {
            throw new DownloadException($"it took longer than {limits.Total}", false, e);
        }
        catch (OperationCanceledException e)
        {
            throw new DownloadException(
                $"the server was silent for {limits.Silence}", mayPass: true, e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new DownloadException(e.Message, mayPass: true, e);
        }
    }

    private void RequireAnswer(HttpResponseMessage response)
    {
        if (!response.IsSuccessStatusCode)
        {
            int status = (int)response.StatusCode;
            throw new DownloadException(
                $"the server answers {status} ({response.ReasonPhrase})",
                mayPass: status is 408 or 429 or >= 500);
        }

        RequireSize(response.Content.Headers.ContentLength ?? 0);
    }

    private void RequireSize(long bytes)
    {
        if (bytes > limits.MaxBytes)
        {
            throw new DownloadException(
                $"it has {bytes:N0} bytes or more, where {limits.MaxBytes:N0} may be",
                mayPass: false);
        }
    }
}
