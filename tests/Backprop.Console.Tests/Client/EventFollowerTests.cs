using Backprop.Console.Api.Feeds;
using Backprop.Console.Client;

namespace Backprop.Console.Tests.Client;

/// <summary>Events that break off are taken up again, and troubles are told.</summary>
public sealed class EventFollowerTests
{
    private const string Happening = "event: happening\nid: 0-1-0\ndata: {\"number\":1}";
    private const string End = "event: end\nid: 0-1-0\ndata: {}";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task A_connection_that_breaks_is_taken_up_after_the_last_event()
    {
        using var server = new FakeEventServer(
            FakeEventServer.Events(Happening), FakeEventServer.Events(End));

        ServerEvent[] told = await FollowAsync(server, s_patience);

        Assert.Equal(
            ["happening", "stale", "stale", "end"], told.Select(one => one.Kind));
        Assert.True(told[1].Read<StaleNews>().Seconds > 0);
        Assert.Equal(0, told[2].Read<StaleNews>().Seconds);
        Assert.DoesNotContain("Last-Event-ID", server.Requests[0]);
        Assert.Contains("Last-Event-ID: 0-1-0", server.Requests[1]);
    }

    [Fact]
    public async Task A_server_that_cannot_answer_at_the_moment_is_asked_again()
    {
        using var server = new FakeEventServer(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
            + "Connection: close\r\n\r\n{\"detail\":\"the coordinator moves\"}",
            FakeEventServer.Events(Happening, End));

        ServerEvent[] told = await FollowAsync(server, s_patience);

        Assert.Equal("the coordinator moves", told[0].Read<StaleNews>().Reason);
        Assert.Equal("end", told[^1].Kind);
    }

    [Fact]
    public async Task What_the_server_says_of_staleness_is_passed_on_and_not_called_off()
    {
        using var server = new FakeEventServer(
            FakeEventServer.Events(
                "event: stale\ndata: {\"seconds\":4,\"reason\":\"it moves\"}", Happening),
            FakeEventServer.Events(
                "event: stale\ndata: {\"seconds\":9,\"reason\":\"it moves\"}",
                "event: stale\ndata: {\"seconds\":0,\"reason\":null}", End));

        ServerEvent[] told = await FollowAsync(server, s_patience);

        Assert.Equal(
            ["stale 4", "happening", "stale", "stale 9", "stale 0", "end"],
            told.Select(one => one.Kind == "stale" && one.Read<StaleNews>().Reason != "it moves"
                && one.Read<StaleNews>().Seconds > 0
                    ? "stale"
                    : one.Kind == "stale" ? $"stale {one.Read<StaleNews>().Seconds}" : one.Kind));
    }

    [Fact]
    public async Task A_node_that_knows_more_than_the_one_before_ends_the_staleness()
    {
        using var server = new FakeEventServer(
            FakeEventServer.Events("event: stale\ndata: {\"seconds\":4,\"reason\":\"it moves\"}"),
            FakeEventServer.Events(Happening, End));

        ServerEvent[] told = await FollowAsync(server, s_patience);

        Assert.Equal(
            ["stale", "stale", "stale", "happening", "end"], told.Select(one => one.Kind));
        Assert.Equal(0, told[2].Read<StaleNews>().Seconds);
    }

    [Fact]
    public async Task Patience_ends()
    {
        using var server = new FakeEventServer(FakeEventServer.Events(Happening));

        var failure = await Assert.ThrowsAsync<ApiUnavailableException>(
            () => FollowAsync(server, TimeSpan.Zero));

        Assert.Contains("the server has closed the connection", failure.Message);
    }

    [Fact]
    public async Task A_run_that_there_is_not_is_a_mistake_at_once()
    {
        using var server = new FakeEventServer(
            "HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\n"
            + "Connection: close\r\n\r\n{\"detail\":\"there is no run 'x'\"}");

        await Assert.ThrowsAsync<MistakeException>(() => FollowAsync(server, s_patience));
    }

    private static async Task<ServerEvent[]> FollowAsync(
        FakeEventServer server, TimeSpan patience)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var api = new ApiClient(server.Address);
        var told = new List<ServerEvent>();
        await foreach (ServerEvent one in new EventFollower(api, TimeProvider.System, patience)
            .FollowAsync("api/v1/events", limit.Token))
        {
            told.Add(one);
        }

        return [.. told];
    }
}
