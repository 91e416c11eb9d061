using System.Text;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Tests.Client;
using Backprop.Console.Tests.Rendering.Top;
using Backprop.Distributed.Coordination;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop watch</c> where the connection is bad.</summary>
public sealed class WatchTests
{
    private static readonly RunSummaryView s_training =
        Known.Run("moons-1", RunStanding.Training);

    private static readonly RunSummaryView s_stopped =
        Known.Run("moons-1", RunStanding.Stopped, 50, "stopped by the user");

    [Fact]
    public void A_connection_that_breaks_is_said_and_nothing_is_lost_or_told_twice()
    {
        using FakeEventServer server = Server();
        CommandRun run = CommandRun.Of("watch", "moons-1", "--server", $"{server.Address}");

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(2, lines.Length);
        Assert.EndsWith("worker a has joined", lines[0]);
        Assert.EndsWith("stopped by the user", lines[1]);
        Assert.Contains("nothing new for", run.Error);
        Assert.Contains("moons-1 stopped: stopped by the user", run.Error);
    }

    [Fact]
    public void Programs_are_told_so_as_well()
    {
        using FakeEventServer server = Server();
        CommandRun run = CommandRun.Of(
            "watch", "moons-1", "--json", "--server", $"{server.Address}");

        Assert.Equal(
            ["run", "happening", "stale", "stale", "run", "happening", "end"],
            run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(
                line => JsonDocument.Parse(line).RootElement.GetProperty("event").GetString()));
    }

    private static FakeEventServer Server() => new(
        Json(new RunPage([s_training], null)),
        FakeEventServer.Events(
            Text(Known.View(s_training, 0.01), "0-0-0"),
            Text(Known.Happening(1, "worker a has joined"), "0-1-0")),
        FakeEventServer.Events(
            Text(Known.View(s_stopped, 0.01), "0-1-0"),
            Text(Known.Happening(2, "stopped by the user"), "0-2-0"),
            "event: end\nid: 0-2-0\ndata: {}"));

    private static string Text(ServerEvent told, string id) =>
        $"event: {told.Kind}\nid: {id}\ndata: {told.Data}";

    private static string Json<T>(T body)
    {
        string text = JsonSerializer.Serialize(body, ApiJson.Options);
        return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + $"Content-Length: {Encoding.UTF8.GetByteCount(text)}\r\n\r\n{text}";
    }
}
