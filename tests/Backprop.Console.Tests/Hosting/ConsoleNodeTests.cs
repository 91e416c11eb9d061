using System.Net;
using System.Text.Json;
using Backprop.Chaos.Processes;
using Backprop.Console.Tests.Api;

namespace Backprop.Console.Tests.Hosting;

/// <summary>A node that does nothing but serve the API and the page, beside a cluster of real
/// processes.</summary>
public sealed class ConsoleNodeTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(3);

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task It_answers_for_the_coordinator_and_while_that_is_gone_with_what_was_known()
    {
        string specification = _scratch.Write("long.conf", Specifications.ClusterMoons
            .Replace("epochs = 8", "epochs = 1000000"));
        using var cluster = new ProcessCluster(_scratch["cluster"]);
        string run = await cluster.UpAsync(workers: 1, servers: 1, specification);
        using var coordinator = new HttpClient { BaseAddress = cluster.Api };
        using NodeProcess node = NodeProcess.Start(
            _scratch["console.log"], new Dictionary<string, string>(),
            "--roles", "console", "--join", await AddressAsync(coordinator), "--port", "0",
            "--links-port", "0", "--api-port", "0", "--state", _scratch["cluster"]);
        using var http = new HttpClient { BaseAddress = new Uri(await ReadyAsync()) };

        HttpResponseMessage fresh = await http.GetAsync($"api/v1/runs/{run}");
        Assert.Equal(HttpStatusCode.OK, fresh.StatusCode);
        Assert.Empty(fresh.Headers.Warning);
        Task<List<ReceivedEvent>> events = EventReader.ReadAsync(
            http, $"api/v1/runs/{run}/events", null, one => one.Kind == "stale");
        await EventReader.ReadAsync(
            http, $"api/v1/runs/{run}/events", null, one => one.Kind == "points");
        cluster.Kill("coordinator");

        HttpResponseMessage stale = await StaleAsync(http, $"api/v1/runs/{run}");
        Assert.NotNull(stale.Headers.Age);
        using JsonDocument view = JsonDocument.Parse(await stale.Content.ReadAsStringAsync());
        Assert.Equal(
            run, view.RootElement.GetProperty("summary").GetProperty("id").GetString());
        ReceivedEvent told = (await events)[^1];
        Assert.Equal("stale", told.Kind);
        Assert.NotEqual(0, told.Data.GetProperty("seconds").GetDouble());
    }

    private static async Task<string> AddressAsync(HttpClient coordinator)
    {
        using JsonDocument view =
            JsonDocument.Parse(await coordinator.GetStringAsync("api/v1/cluster"));
        string id = view.RootElement.GetProperty("coordinator").GetString()!;
        return view.RootElement.GetProperty("nodes").EnumerateArray()
            .Single(node =>
                node.GetProperty("description").GetProperty("node").GetString() == id)
            .GetProperty("address").GetString()!;
    }

    private static async Task<HttpResponseMessage> StaleAsync(HttpClient http, string path)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            HttpResponseMessage answer = await http.GetAsync(path, limit.Token);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            if (answer.Headers.Warning.Any(warning => warning.Code == 110))
            {
                return answer;
            }

            await Task.Delay(50, limit.Token);
        }
    }

    private async Task<string> ReadyAsync()
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            using var reader = new StreamReader(new FileStream(
                _scratch["console.log"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            string[] lines = (await reader.ReadToEndAsync(limit.Token)).Split('\n');
            if (lines.Contains("ready"))
            {
                return lines.Single(line => line.StartsWith("api ", StringComparison.Ordinal))
                    ["api ".Length..].Trim();
            }

            await Task.Delay(50, limit.Token);
        }
    }
}
