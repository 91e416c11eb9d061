using System.Text.Json;
using Akka.Event;
using Akka.Remote;
using Backprop.Distributed.Cluster;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Cluster;

/// <summary>What a node's log says of an event, for people and for programs.</summary>
public sealed class LogLineTests
{
    private static readonly LogScope s_scope = new(new RunId("digits-1"), new Generation(2), 1300);

    [Fact]
    public void An_event_is_known_by_the_values_of_its_message()
    {
        var peer = new NodeId("10.0.0.2:8471#7");
        LogLine line = NodeLog.LineOf(
            EventOf("Run {0}: {1} is slow", s_scope, peer), "10.0.0.1:8471");

        using JsonDocument json = JsonDocument.Parse(line.Write(LogFormat.Json));
        JsonElement root = json.RootElement;
        Assert.Equal("Run digits-1: 10.0.0.2:8471#7 is slow", Text(root, "message"));
        Assert.Equal("warning", Text(root, "level"));
        Assert.Equal("10.0.0.1:8471", Text(root, "node"));
        Assert.Equal("10.0.0.2:8471#7", Text(root, "peer"));
        Assert.Equal("digits-1", Text(root, "run"));
        Assert.Equal(2, root.GetProperty("generation").GetInt64());
        Assert.Equal(1300, root.GetProperty("version").GetInt64());
        Assert.Equal(DateTimeKind.Utc, root.GetProperty("time").GetDateTime().Kind);
        Assert.False(root.TryGetProperty("exception", out _));
    }

    [Fact]
    public void A_run_alone_is_known_too()
    {
        LogLine line = NodeLog.LineOf(EventOf("Run {0} ends", new RunId("iris-3")), null);
        using JsonDocument json = JsonDocument.Parse(line.Write(LogFormat.Json));
        Assert.Equal("iris-3", Text(json.RootElement, "run"));
        Assert.False(json.RootElement.TryGetProperty("generation", out _));
        Assert.False(json.RootElement.TryGetProperty("node", out _));
    }

    [Fact]
    public void Whatever_it_says_is_one_line_with_its_cause()
    {
        var line = new LogLine(DateTime.UtcNow, LogLevel.ErrorLevel, "two\nlines \"quoted\"")
        {
            Scope = s_scope,
            Cause = new IOException("no room"),
        };
        Assert.EndsWith("ERROR two lines \"quoted\" (no room)", line.Write(LogFormat.Text));
        string json = line.Write(LogFormat.Json);
        Assert.DoesNotContain('\n', json);
        using JsonDocument parsed = JsonDocument.Parse(json);
        Assert.Equal("two\nlines \"quoted\"", Text(parsed.RootElement, "message"));
        Assert.Contains("no room", Text(parsed.RootElement, "exception"));
    }

    [Theory]
    [InlineData("Backprop.Distributed.Coordination", "coordinator", LogLevel.InfoLevel, true)]
    [InlineData("Akka.Cluster", "core", LogLevel.WarningLevel, true)]
    [InlineData("Akka.Cluster", "core", LogLevel.InfoLevel, false)]
    [InlineData("Akka.Remote", "endpointManager", LogLevel.WarningLevel, false)]
    [InlineData("Akka.Remote", "endpointManager", LogLevel.ErrorLevel, true)]
    // What remoting says under this name has no class.
    [InlineData("System", "remoting (akka://backprop)", LogLevel.WarningLevel, false)]
    public void A_node_that_is_gone_is_told_of_once(
        string space, string source, LogLevel level, bool isNews)
    {
        Assert.Equal(isNews, NodeLog.IsNews(space, source, level, new IOException("no room")));
        Exception broken = (Exception)Activator.CreateInstance(
            typeof(IRemoteActorRefProvider).Assembly
                .GetType("Akka.Remote.EndpointDisassociatedException", throwOnError: true)!,
            "Disassociated")!;
        Assert.False(NodeLog.IsNews(space, source, level, broken));
    }

    private static string? Text(JsonElement root, string name) =>
        root.GetProperty(name).GetString();

    private static LogEvent EventOf(string format, params object[] values) => new Warning(
        "source", typeof(LogLineTests), new Said(format, values));

    private sealed class Said(string format, object[] values)
        : LogMessage(DefaultLogMessageFormatter.Instance, format)
    {
        public override string Unformatted() => Format;

        public override IEnumerable<object> Parameters() => values;

        public override string ToString() => string.Format(Format, values);
    }
}
