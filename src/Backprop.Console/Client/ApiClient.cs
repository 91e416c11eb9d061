using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Storage;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Persistence;
using Backprop.Distributed.Timelines;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Console.Client;

/// <summary>The API cannot be reached, or cannot answer at the moment; the message says why.
/// </summary>
internal sealed class ApiUnavailableException(string message, Exception? inner = null)
    : IOException(message, inner);

/// <summary>Asks a cluster's API.</summary>
internal sealed class ApiClient : IDisposable
{
    /// <summary>The events of the list of runs and of the cluster.</summary>
    public const string ClusterEvents = "api/v1/events";

    private const int RunsAPage = 1_000;
    private const string EventMediaType = "text/event-stream";

    private static readonly TimeSpan s_deadline = TimeSpan.FromSeconds(30);

    // Streams of events have a sign of life every ten.
    private static readonly TimeSpan s_mostSilence = TimeSpan.FromSeconds(35);

    private readonly HttpClient _http;
    private readonly Uri _server;
    private readonly ClientToken? _token;

    /// <summary>Of a cluster.</summary>
    /// <param name="server">Its API's address.</param>
    /// <param name="token">What it is shown; null: nothing.</param>
    /// <param name="handler">Makes the connections; null: the usual one.</param>
    public ApiClient(Uri server, ClientToken? token = null, HttpMessageHandler? handler = null)
    {
        _server = server;
        _token = token;
        _http = new HttpClient(handler ?? new SocketsHttpHandler())
        {
            BaseAddress = server,
            Timeout = Timeout.InfiniteTimeSpan,
        };
        if (token is not null)
        {
            _http.DefaultRequestHeaders.Authorization =
                new AuthenticationHeaderValue("Bearer", token.Text);
        }
    }

    /// <summary>Where it is.</summary>
    public Uri Server => _server;

    public void Dispose() => _http.Dispose();

    /// <summary>The events of a run.</summary>
    public static string RunEvents(RunId run) => $"api/v1/runs/{run}/events";

    /// <summary>Submits a run; repeated with the same submission, it is the same run.</summary>
    public async Task<RunId> SubmitAsync(
        Guid submission, string specification, string source, int priority,
        CancellationToken cancellation)
    {
        string query = $"api/v1/runs?priority={priority}&source={Uri.EscapeDataString(source)}";
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, query)
            {
                Headers = { { "Idempotency-Key", $"{submission}" } },
                Content = new StringContent(specification, Encoding.UTF8, "text/plain"),
            },
            cancellation);
        return (await ReadAsync<SubmittedRun>(response, cancellation)).Id;
    }

    /// <summary>All runs, newest first.</summary>
    public async Task<RunSummaryView[]> RunsAsync(CancellationToken cancellation)
    {
        var runs = new List<RunSummaryView>();
        string after = "";
        while (true)
        {
            RunPage page = await GetAsync<RunPage>(
                $"api/v1/runs?limit={RunsAPage}{after}", cancellation);
            runs.AddRange(page.Runs);
            if (page.Next is not { } last || runs.Count >= RegistryState.MaxRuns)
            {
                return [.. runs];
            }

            after = $"&after={last}";
        }
    }

    /// <summary>A run in full.</summary>
    public Task<RunView> RunAsync(RunId run, CancellationToken cancellation) =>
        GetAsync<RunView>($"api/v1/runs/{run}", cancellation);

    /// <summary>Submits a sweep; repeated with the same submission, it is the same sweep.</summary>
    public async Task<SweepId> SubmitSweepAsync(
        Guid submission, SweepSubmission sweep, string source, int priority,
        CancellationToken cancellation)
    {
        string query = $"api/v1/sweeps?priority={priority}&source={Uri.EscapeDataString(source)}";
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, query)
            {
                Headers = { { "Idempotency-Key", $"{submission}" } },
                Content = JsonContent.Create(sweep, options: ApiJson.Options),
            },
            cancellation);
        return (await ReadAsync<SubmittedSweep>(response, cancellation)).Id;
    }

    /// <summary>All sweeps, newest first.</summary>
    public Task<SweepList> SweepsAsync(CancellationToken cancellation) =>
        GetAsync<SweepList>("api/v1/sweeps", cancellation);

    /// <summary>A sweep in full.</summary>
    public Task<SweepDetail> SweepAsync(SweepId sweep, CancellationToken cancellation) =>
        GetAsync<SweepDetail>($"api/v1/sweeps/{sweep}", cancellation);

    /// <summary>Ends a sweep and its runs.</summary>
    public async Task StopSweepAsync(SweepId sweep, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, $"api/v1/sweeps/{sweep}/stop"),
            cancellation);
    }

    /// <summary>The cluster.</summary>
    public Task<ClusterView> ClusterAsync(CancellationToken cancellation) =>
        GetAsync<ClusterView>("api/v1/cluster", cancellation);

    /// <summary>A run's curves, of at most so many points.</summary>
    public Task<CurveTable> CurvesAsync(
        RunId run, int points, CancellationToken cancellation) =>
        GetAsync<CurveTable>($"api/v1/runs/{run}/curves?points={points}", cancellation);

    /// <summary>Events as they come, until the connection ends.</summary>
    /// <param name="path">Below the API's address.</param>
    /// <param name="after">The id of the last event that is known; null: from the beginning.
    /// </param>
    /// <param name="cancellation">Ends it.</param>
    public async IAsyncEnumerable<SseItem<string>> EventsAsync(
        string path, string? after, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () =>
            {
                var request = new HttpRequestMessage(HttpMethod.Get, path);
                request.Headers.Accept.ParseAdd(EventMediaType);
                if (after is not null)
                {
                    request.Headers.Add("Last-Event-ID", after);
                }

                return request;
            },
            cancellation);
        if (response.Content.Headers.ContentType?.MediaType != EventMediaType)
        {
            throw new ApiUnavailableException(
                $"what answers at {_server} is no cluster's API, or one of another version: it"
                + " has no events");
        }

        await using var content = new SilenceLimit(
            await response.Content.ReadAsStreamAsync(cancellation), s_mostSilence);
        await foreach (SseItem<string> item in
            SseParser.Create(content).EnumerateAsync(cancellation))
        {
            yield return item;
        }
    }

    /// <summary>Changes a run's course.</summary>
    public async Task ControlAsync(
        RunId run, RunControl control, CancellationToken cancellation)
    {
        string path = $"api/v1/runs/{run}/{control.ToString().ToLowerInvariant()}";
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Post, path), cancellation);
    }

    /// <summary>Writes a run's trained model to a file, whole or not at all.</summary>
    /// <returns>Its SHA-256.</returns>
    public async Task<string> DownloadAsync(
        RunId run, string file, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, $"api/v1/runs/{run}/model"),
            cancellation);
        string wanted = response.Headers.ETag?.Tag.Trim('"') ?? "";
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        await using Stream content = await response.Content.ReadAsStreamAsync(cancellation);
        DurableFile.Write(file, stream =>
        {
            var buffer = new byte[1 << 16];
            int read;
            while ((read = content.Read(buffer)) > 0)
            {
                hash.AppendData(buffer.AsSpan(0, read));
                stream.Write(buffer.AsSpan(0, read));
            }

            string found = Convert.ToHexStringLower(hash.GetCurrentHash());
            if (found != wanted)
            {
                throw new IOException(
                    $"the model came damaged: its SHA-256 is {found}, where {wanted} belongs;"
                    + " nothing was written");
            }
        });
        return wanted;
    }

    /// <summary>What it takes to compute a version of a run again.</summary>
    public Task<ReplaySource> ReplayAsync(
        RunId run, long version, CancellationToken cancellation) =>
        GetAsync<ReplaySource>($"api/v1/runs/{run}/replay?version={version}", cancellation);

    /// <summary>What the nodes of a run did in its last steps.</summary>
    public Task<TimelineView> TimelineAsync(RunId run, CancellationToken cancellation) =>
        GetAsync<TimelineView>($"api/v1/runs/{run}/timeline", cancellation);

    /// <summary>That for a trace viewer.</summary>
    public async Task<byte[]> ChromeTraceAsync(RunId run, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(
                HttpMethod.Get, $"api/v1/runs/{run}/timeline?format=chrome"),
            cancellation);
        return await response.Content.ReadAsByteArrayAsync(cancellation);
    }

    /// <summary>The digests of a run's versions, as <c>digests.bin</c> has them.</summary>
    public async Task<byte[]> DigestsAsync(RunId run, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, $"api/v1/runs/{run}/digests"),
            cancellation);
        return await response.Content.ReadAsByteArrayAsync(cancellation);
    }

    /// <summary>Fills buffers from a checkpoint.</summary>
    /// <exception cref="CheckpointException">It came damaged.</exception>
    public async Task RestoreAsync(
        RunId run, CheckpointManifest manifest, SliceContent destination,
        CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(
                HttpMethod.Get, $"api/v1/runs/{run}/checkpoints/{manifest.Version}"),
            cancellation);
        await using Stream content = await response.Content.ReadAsStreamAsync(cancellation);
        foreach (CheckpointPart part in manifest.Parts)
        {
            var piece = new byte[destination.Cut.BytesOf(part.FirstBlock, part.EndBlock)];
            await content.ReadExactlyAsync(piece, cancellation);
            if (CheckpointPiece.DigestOf(piece) != part.Sha256)
            {
                throw new CheckpointException(
                    $"the checkpoint of version {manifest.Version} came damaged: blocks"
                    + $" {part.FirstBlock} to {part.EndBlock - 1} do not match their SHA-256");
            }

            destination.CopyIn(part.FirstBlock, part.EndBlock, piece);
        }
    }

    /// <summary>The run that a user means: by its name, by how that begins, or the latest.
    /// </summary>
    /// <exception cref="MistakeException">There is none, or several.</exception>
    public async Task<RunId> FindAsync(string text, CancellationToken cancellation) => new(Named(
        text, "run", "runs", [.. (await RunsAsync(cancellation)).Select(run => run.Id.Value)]));

    /// <summary>The sweep that a user means, likewise.</summary>
    /// <exception cref="MistakeException">There is none, or several.</exception>
    public async Task<SweepId> FindSweepAsync(string text, CancellationToken cancellation) =>
        new(Named(
            text, "sweep", "sweeps list",
            [.. (await SweepsAsync(cancellation)).Sweeps.Select(sweep => sweep.Id.Value)]));

    // Of names, newest first.
    private static string Named(string text, string what, string lists, string[] names)
    {
        if (text == "latest")
        {
            return names.Length > 0
                ? names[0]
                : throw new MistakeException($"the cluster has no {what}s yet");
        }

        string[] meant = [.. names.Where(name => name == text)];
        if (meant.Length == 0)
        {
            meant = [.. names.Where(name => name.StartsWith(text, StringComparison.Ordinal))];
        }

        return meant switch
        {
            [var one] => one,
            [] => throw new MistakeException(
                $"there is no {what} '{text}'; 'backprop {lists}' lists them"),
            _ => throw new MistakeException(
                $"'{text}' may be {string.Join(", ", meant.Take(5))}: give more of the name"),
        };
    }

    private async Task<T> GetAsync<T>(string path, CancellationToken cancellation)
    {
        using HttpResponseMessage response = await SendAsync(
            () => new HttpRequestMessage(HttpMethod.Get, path), cancellation);
        return await ReadAsync<T>(response, cancellation);
    }

    private async Task<HttpResponseMessage> SendAsync(
        Func<HttpRequestMessage> request, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_deadline);
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(
                request(), HttpCompletionOption.ResponseHeadersRead, limit.Token);
        }
        catch (HttpRequestException failure)
            when (failure.HttpRequestError == HttpRequestError.SecureConnectionError)
        {
            throw new ApiUnavailableException(
                $"what answers at {_server} is not known to be the cluster:"
                + $" {failure.InnerException?.Message ?? failure.Message} Its authority's"
                + $" certificate is named by --authority, or by ${TrustedAuthority.Variable}; a"
                + " cluster without TLS has an address that begins with http://", failure);
        }
        catch (HttpRequestException failure)
        {
            throw new ApiUnavailableException(
                $"no cluster answers at {_server}: {failure.Message}. 'backprop cluster up' starts"
                + " one on this machine; --server names another", failure);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new ApiUnavailableException(
                $"the cluster at {_server} has not answered within"
                + $" {s_deadline.TotalSeconds:0} s. It may be starting, or its coordinator moving:"
                + " try again; its nodes' logs say more");
        }

        if (!response.IsSuccessStatusCode)
        {
            using (response)
            {
                throw await FailureOf(response, cancellation);
            }
        }

        return response;
    }

    private async Task<Exception> FailureOf(
        HttpResponseMessage response, CancellationToken cancellation)
    {
        string? detail = null;
        if (response.Content.Headers.ContentType?.MediaType == "application/problem+json")
        {
            using JsonDocument problem = JsonDocument.Parse(
                await response.Content.ReadAsStreamAsync(cancellation));
            detail = problem.RootElement.TryGetProperty("detail", out JsonElement text)
                ? text.GetString()
                : null;
        }

        return (response.StatusCode, detail) switch
        {
            (HttpStatusCode.Unauthorized, _) => new MistakeException(_token is null
                ? $"the cluster at {_server} wants a token: give it by --token, by"
                    + $" ${ClientToken.Variable}, or in the file"
                    + $" {ClientToken.FileBeside(ServerAddress.File)}; 'backprop token create"
                    + " --role operator' makes one on a machine that reaches its state database"
                : $"the cluster at {_server} does not take {_token}: {detail}"),
            (HttpStatusCode.Forbidden, { } refusal) => new MistakeException(refusal),
            (HttpStatusCode.BadRequest or HttpStatusCode.NotFound or HttpStatusCode.Conflict,
                { } mistake) => new MistakeException(mistake),
            (_, { } reason) => new ApiUnavailableException(reason),
            _ => new ApiUnavailableException(
                $"what answers at {_server} is no cluster's API: {(int)response.StatusCode}"
                + $" {response.ReasonPhrase}"),
        };
    }

    private async Task<T> ReadAsync<T>(
        HttpResponseMessage response, CancellationToken cancellation)
    {
        try
        {
            return await response.Content.ReadFromJsonAsync<T>(ApiJson.Options, cancellation)
                ?? throw new JsonException("it is null");
        }
        catch (JsonException failure)
        {
            throw new ApiUnavailableException(
                $"what answers at {_server} is no cluster's API, or one of another version:"
                + $" {failure.Message}", failure);
        }
    }
}
