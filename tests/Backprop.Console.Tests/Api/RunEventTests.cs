using System.Net;
using System.Text.Json;
using Backprop.Console.Tests.Commands;

namespace Backprop.Console.Tests.Api;

/// <summary>What happens to a run, told as it happens.</summary>
public sealed class RunEventTests
{
    [Fact]
    public async Task A_run_is_told_from_its_beginning_to_its_end()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(http, Specifications.ClusterMoons);

        List<ReceivedEvent> events =
            await EventReader.ReadAsync(http, $"api/v1/runs/{run}/events", null, _ => false);

        Assert.Equal("end", events[^1].Kind);
        Assert.Equal(
            Enumerable.Range(0, 8),
            Of(events, "epoch").Select(epoch => epoch.GetProperty("epoch").GetInt32()));
        Assert.Equal(160, StepsOf(events).Count);
        Assert.Equal(
            "completed",
            Of(events, "run")[^1].GetProperty("summary").GetProperty("standing").GetString());
        Assert.Equal(
            Enumerable.Range(1, Of(events, "happening").Count),
            Of(events, "happening").Select(one => one.GetProperty("number").GetInt32()));
    }

    [Fact]
    public async Task A_reader_that_comes_back_misses_nothing_and_is_told_nothing_twice()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        string run = await cluster.SubmitAsync(http, Specifications.ClusterMoons);
        string path = $"api/v1/runs/{run}/events";
        List<ReceivedEvent> whole = await EventReader.ReadAsync(http, path, null, _ => false);

        foreach (ReceivedEvent last in whole.Where((_, i) => i % 3 == 0 && i < whole.Count - 1))
        {
            List<ReceivedEvent> rest =
                await EventReader.ReadAsync(http, path, last.Id, _ => false);
            int before = whole.IndexOf(last) + 1;
            foreach (string kind in (string[])["epoch", "happening"])
            {
                Assert.Equal(
                    Of(whole, kind).Select(one => one.ToString()),
                    Of(whole[..before], kind).Concat(Of(rest, kind))
                        .Select(one => one.ToString()));
            }

            HashSet<long> steps = StepsOf(whole[..before]);
            steps.UnionWith(StepsOf(rest));
            Assert.Equal(160, steps.Count);
        }
    }

    [Fact]
    public async Task A_node_that_stops_lets_its_readers_go()
    {
        ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        var reads = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task<List<ReceivedEvent>> reading = EventReader.ReadAsync(
            http, "api/v1/events", null,
            _ =>
            {
                reads.TrySetResult();
                return false;
            });
        await await Task.WhenAny(reads.Task, reading);

        await cluster.DisposeAsync();

        Assert.NotEmpty(await reading);
    }

    [Fact]
    public async Task The_list_of_runs_is_told_as_it_changes()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();
        Task<List<ReceivedEvent>> reading = EventReader.ReadAsync(
            http, "api/v1/events", null,
            one => one.Kind == "runs" && one.Data.ToString().Contains(
                "completed", StringComparison.Ordinal));
        await cluster.SubmitAsync(http, Specifications.ClusterMoons);

        JsonElement runs = Of(await reading, "runs")[^1].GetProperty("runs");

        Assert.Equal("moons-1", runs[0].GetProperty("id").GetString());
    }

    [Fact]
    public async Task Who_asks_for_nonsense_is_told_so()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        using HttpClient http = cluster.Client();

        Assert.Equal(
            HttpStatusCode.NotFound,
            (await http.GetAsync("api/v1/runs/nothing-1/events")).StatusCode);
        Assert.Equal(
            HttpStatusCode.BadRequest,
            (await http.GetAsync("api/v1/runs/nothing-1/events?after=1-x-3")).StatusCode);
    }

    private static List<JsonElement> Of(IEnumerable<ReceivedEvent> events, string kind) =>
        [.. events.Where(one => one.Kind == kind).Select(one => one.Data)];

    private static HashSet<long> StepsOf(IEnumerable<ReceivedEvent> events) =>
    [
        .. Of(events, "points").SelectMany(points => points.GetProperty("step").EnumerateArray())
            .Select(step => step.GetInt64()),
    ];
}
