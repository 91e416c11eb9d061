using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;

namespace Backprop.Chaos;

/// <summary>What the coordinator's API says of a run.</summary>
/// <param name="Standing">What it is at, in a word.</param>
/// <param name="Reason">That in words.</param>
/// <param name="Version">Steps done.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Servers">Its parameter servers.</param>
/// <param name="IsFollowed">Whether its coordinator hears of steps.</param>
/// <param name="Weights">The digest of its final weights; null: it has not completed.</param>
/// <param name="Happenings">What has happened to it.</param>
internal sealed record RunState(
    string Standing, string Reason, long Version, long Generation, int Servers,
    bool IsFollowed, string? Weights, string[] Happenings)
{
    /// <summary>Whether it is over.</summary>
    public bool IsOver => Standing is "completed" or "failed" or "stopped";
}

/// <summary>Asks the API of a cluster that faults are done to.</summary>
/// <param name="address">Where it is.</param>
/// <param name="handler">Makes the connections; null: the usual one.</param>
/// <param name="token">What it is shown; null: nothing.</param>
internal sealed class RunApi(
    Uri address, HttpMessageHandler? handler = null, string? token = null) : IDisposable
{
    private readonly HttpClient _http = new(handler ?? new SocketsHttpHandler())
    {
        BaseAddress = address,
        Timeout = TimeSpan.FromSeconds(2),
        DefaultRequestHeaders =
        {
            Authorization = token is null ? null : new AuthenticationHeaderValue("Bearer", token),
        },
    };

    private readonly Guid _submission = Guid.NewGuid();

    /// <summary>Where it is.</summary>
    public Uri Address => address;

    /// <summary>Hands a run in; it may be repeated.</summary>
    /// <returns>Its name; null: nobody answers.</returns>
    public Task<string?> SubmitAsync(string specification) =>
        SubmitAsync(specification, _submission);

    /// <summary>Hands a run in; repeated with the same submission, it is the same run.</summary>
    /// <returns>Its name; null: nobody answers.</returns>
    public async Task<string?> SubmitAsync(string specification, Guid submission)
    {
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "api/v1/runs")
            {
                Headers = { { "Idempotency-Key", $"{submission}" } },
                Content = new StringContent(specification),
            };
            using HttpResponseMessage answer = await _http.SendAsync(request);
            string text = await answer.Content.ReadAsStringAsync();
            return answer.IsSuccessStatusCode
                ? JsonDocument.Parse(text).RootElement.GetProperty("id").GetString()
                : (int)answer.StatusCode >= 500
                    ? null
                    : throw new InvalidOperationException($"the run is refused: {text}");
        }
        catch (Exception failure) when (IsSilence(failure))
        {
            return null;
        }
    }

    /// <summary>The cluster; null: nobody answers.</summary>
    public Task<JsonElement?> ClusterAsync() => GetAsync("api/v1/cluster");

    /// <summary>How many nodes the cluster has that a run may use; null: nobody answers.</summary>
    public async Task<int?> CountNodesAsync() =>
        (await ClusterAsync())?.GetProperty("nodes").GetArrayLength();

    /// <summary>What is wrong with the cluster; null: nobody answers.</summary>
    public async Task<string[]?> WarningsAsync() => await ClusterAsync() is { } view
        ?
        [
            .. view.GetProperty("warnings").EnumerateArray()
                .Select(warning => warning.GetString()!),
        ]
        : null;

    /// <summary>All that is told of a run; null: nobody answers.</summary>
    public Task<JsonElement?> ViewAsync(string run) => GetAsync($"api/v1/runs/{run}");

    /// <summary>The file of a run's trained network; null: nobody answers.</summary>
    public async Task<byte[]?> ModelAsync(string run)
    {
        try
        {
            return await _http.GetByteArrayAsync($"api/v1/runs/{run}/model");
        }
        catch (Exception failure) when (IsSilence(failure))
        {
            return null;
        }
    }

    /// <summary>What a run is at; null: nobody answers.</summary>
    public async Task<RunState?> ShowAsync(string run)
    {
        if (await ViewAsync(run) is not { } view)
        {
            return null;
        }

        JsonElement summary = view.GetProperty("summary");
        JsonElement result = view.GetProperty("result");
        return new RunState(
            summary.GetProperty("standing").GetString()!,
            summary.GetProperty("reason").GetString()!,
            summary.GetProperty("version").GetInt64(),
            view.GetProperty("generation").GetInt64(),
            view.GetProperty("servers").GetArrayLength(),
            view.GetProperty("progress").ValueKind == JsonValueKind.Object,
            result.ValueKind == JsonValueKind.Object
                ? result.GetProperty("weightsSha256").GetString()
                : null,
            [
                .. view.GetProperty("happenings").EnumerateArray().Select(Describe),
            ]);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task<JsonElement?> GetAsync(string path)
    {
        try
        {
            return await _http.GetFromJsonAsync<JsonElement>(path);
        }
        catch (Exception failure) when (IsSilence(failure))
        {
            return null;
        }
    }

    // Of a process that ends while it answers, half of the answer may have come.
    private static bool IsSilence(Exception failure) =>
        failure is HttpRequestException or IOException or TaskCanceledException;

    private static string Describe(JsonElement happening)
    {
        DateTimeOffset at = happening.GetProperty("at").GetDateTimeOffset().ToLocalTime();
        return $"{at:HH:mm:ss.f} {happening.GetProperty("text").GetString()}";
    }
}
