using System.Net;
using System.Text.Json;
using Backprop.Console.Tests.Commands;

namespace Backprop.Console.Tests.Api;

/// <summary>What the nodes of a run did in its last steps, over HTTP: as JSON, for a trace viewer,
/// and as the command shows it.</summary>
public sealed class TimelineRouteTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_run_that_trains_shows_what_its_nodes_did()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = cluster.Address };
        Submit(cluster);

        JsonElement view = await AwaitAsync(http);

        Assert.Equal("moons-1", view.GetProperty("run").GetString());
        Assert.Equal(2, view.GetProperty("microBatches").GetInt32());
        Assert.Equal(0, view.GetProperty("missing").GetArrayLength());
        Assert.True(view.GetProperty("taken").GetDateTimeOffset() > DateTimeOffset.UnixEpoch);
        // Of two micro-batches a worker that is slow for a while has none.
        JsonElement worker = view.GetProperty("workers").EnumerateArray()
            .First(one => one.GetProperty("spans").GetArrayLength() > 0);
        Assert.StartsWith("worker-", worker.GetProperty("node").GetString());
        Assert.Equal(
            ["compute", "push", "wait"],
            worker.GetProperty("spans").EnumerateArray().Take(3)
                .Select(span => span.GetProperty("kind").GetString()));
        JsonElement server = view.GetProperty("servers")[0];
        Assert.Equal(0, server.GetProperty("slice").GetInt32());
        JsonElement tree = view.GetProperty("trees")[0];
        Assert.Equal(0, tree.GetProperty("slice").GetInt32());
        Assert.True(tree.GetProperty("whole").GetDouble() > 0);
        Assert.Equal(
            2,
            tree.GetProperty("arrivals").EnumerateArray()
                .Sum(arrival => arrival.GetProperty("count").GetInt32()));
    }

    [Fact]
    public async Task A_trace_viewer_gets_a_file_of_spans_by_process()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = cluster.Address };
        Submit(cluster);
        await AwaitAsync(http);

        using HttpResponseMessage response =
            await http.GetAsync("api/v1/runs/moons-1/timeline?format=chrome");

        Assert.Equal("attachment", response.Content.Headers.ContentDisposition!.DispositionType);
        Assert.Matches(
            @"^moons-1-steps-\d+-to-\d+\.json$",
            response.Content.Headers.ContentDisposition.FileName!.Trim('"'));
        using JsonDocument trace = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        JsonElement[] events = [.. trace.RootElement.GetProperty("traceEvents").EnumerateArray()];
        Assert.Superset(
            new HashSet<string?> { "server-1", "worker-1", "worker-2" },
            events.Where(one => one.GetProperty("name").GetString() == "process_name")
                .Select(one => one.GetProperty("args").GetProperty("name").GetString())
                .ToHashSet());
        JsonElement[] spans = [.. events.Where(one => one.GetProperty("ph").GetString() == "X")];
        Assert.Equal(
            ["apply", "broadcast", "compute", "gather", "push", "wait"],
            spans.Select(span => span.GetProperty("name").GetString()).Distinct().Order());
        Assert.All(spans, span =>
        {
            Assert.True(span.GetProperty("ts").GetDouble() >= 0);
            Assert.True(span.GetProperty("dur").GetDouble() >= 0);
        });
        Assert.All(
            spans.GroupBy(span => (
                span.GetProperty("pid").GetInt32(), span.GetProperty("tid").GetInt32())),
            AssertNothingOverlaps);
    }

    [Fact]
    public async Task What_cannot_be_shown_is_refused_with_the_reason()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = cluster.Address };
        await AssertRefusedAsync(
            http, "none-1/timeline", HttpStatusCode.NotFound, "there is no run 'none-1'");
        Submit(cluster);
        await AwaitAsync(http);
        await AssertRefusedAsync(
            http, "moons-1/timeline?format=svg", HttpStatusCode.BadRequest, "'chrome'");

        cluster.Run("stop", "moons-1");

        using var limit = new CancellationTokenSource(s_limit);
        while ((await http.GetAsync("api/v1/runs/moons-1/timeline")).IsSuccessStatusCode)
        {
            await Task.Delay(20, limit.Token);
        }

        await AssertRefusedAsync(http, "moons-1/timeline", HttpStatusCode.Conflict, "run moons-1");
    }

    [Fact]
    public async Task The_command_shows_the_newest_steps_and_writes_traces()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using var http = new HttpClient { BaseAddress = cluster.Address };
        Submit(cluster);
        await AwaitAsync(http);

        CommandRun shown = cluster.Run("timeline", "latest", "--steps", "5");

        Assert.Equal((0, ""), (shown.ExitCode, shown.Error));
        string[] lines = shown.Output.TrimEnd('\n').Split('\n');
        Assert.Equal(3 + 5, lines.Length);
        Assert.All(lines, line => Assert.InRange(line.Length, 0, 80));
        Assert.Matches("^step +compute +push +wait +gather +apply +broadcast +slowest$", lines[1]);
        Assert.Matches(@"^[\d,]+( +[\d,]+\.\d\d){6} +worker-\d$", lines[3]);

        string file = _scratch["trace.json"];
        Assert.Contains(
            $"{file} written", cluster.Run("timeline", "moons-1", "--chrome", file).Output);
        using JsonDocument trace = JsonDocument.Parse(File.ReadAllText(file));
        Assert.NotEqual(0, trace.RootElement.GetProperty("traceEvents").GetArrayLength());
        Assert.Equal(ExitCode.Mistake, cluster.Run("timeline", "latest", "--steps", "0").ExitCode);
    }

    private void Submit(ServedCluster cluster) => Assert.Equal(
        0, cluster.Run("submit", _scratch.Write("slow.conf", Specifications.Moons
            .Replace("every-steps = 20", "every-epochs = 1000")
            .Replace("epochs = 8", "epochs = 1000000"))).ExitCode);

    private static async Task<JsonElement> AwaitAsync(HttpClient http)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            using HttpResponseMessage response =
                await http.GetAsync("api/v1/runs/moons-1/timeline", limit.Token);
            if (response.IsSuccessStatusCode)
            {
                using JsonDocument view =
                    JsonDocument.Parse(await response.Content.ReadAsStringAsync());
                JsonElement[] workers =
                    [.. view.RootElement.GetProperty("workers").EnumerateArray()];
                if (view.RootElement.GetProperty("endStep").GetInt64() > 100
                    && workers.Length == 2
                    && workers.Any(one => one.GetProperty("spans").GetArrayLength() > 100))
                {
                    return view.RootElement.Clone();
                }
            }

            await Task.Delay(20, limit.Token);
        }
    }

    private static async Task AssertRefusedAsync(
        HttpClient http, string path, HttpStatusCode status, string reason)
    {
        using HttpResponseMessage response = await http.GetAsync($"api/v1/runs/{path}");
        Assert.Equal(status, response.StatusCode);
        using JsonDocument problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        Assert.Contains(reason, problem.RootElement.GetProperty("detail").GetString());
    }

    // A viewer draws the spans of a thread into one row. Times have a tenth of a microsecond.
    private static void AssertNothingOverlaps(IEnumerable<JsonElement> spans)
    {
        double end = 0;
        foreach (JsonElement span in spans)
        {
            double begin = span.GetProperty("ts").GetDouble();
            Assert.True(begin >= end - 0.5, $"{span}: the one before ends at {end}");
            end = begin + span.GetProperty("dur").GetDouble();
        }
    }
}
