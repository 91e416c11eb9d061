using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Backprop.Console.Tests.Diagnosis;

/// <summary><c>backprop doctor</c>: what it says of a node's set-up.</summary>
public sealed class DoctorTests : IDisposable
{
    private readonly ScratchDirectory _state = new();

    public void Dispose() => _state.Dispose();

    [Fact]
    public void A_node_that_would_work_has_no_problems_and_nothing_is_changed()
    {
        CommandRun run = Doctor("--state", _state["new"]);

        Assert.Equal((ExitCode.Done, ""), (run.ExitCode, run.Error));
        Assert.Contains("0 problems, ", run.Output);
        foreach (string check in new[]
        {
            "runtime", "processor", "cores", "memory", "host", "control port", "links port",
            "API port", "nodes to join", "database", "clocks", "data", "state",
        })
        {
            Assert.Contains($"{check} ", run.Output);
        }

        Assert.False(Directory.Exists(_state["new"]));
    }

    [Fact]
    public void A_mistake_of_the_configuration_is_a_problem()
    {
        string file = _state.Write("node.conf", "backprop { checkpoint { keep = 1 } }");
        CommandRun run = Doctor("--config", file);
        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.Contains("backprop.checkpoint.keep: '1'", run.Output);
    }

    [Fact]
    public void A_plug_in_that_is_not_there_is_a_problem()
    {
        string file = _state.Write(
            "node.conf",
            $"backprop.plugins {{ allow = [\"Absent.dll#sha256={new string('a', 64)}\"] }}");
        JsonElement finding = Find("plug-ins", "--config", file);
        Assert.Equal("problem", finding.GetProperty("verdict").GetString());
        Assert.Contains(
            "Absent.dll' is not there, though it is allowed",
            finding.GetProperty("text").GetString());
    }

    [Fact]
    public void A_port_that_is_taken_is_said_with_who_has_it()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        int port = ((IPEndPoint)other.LocalEndpoint).Port;
        JsonElement finding = Find("control port", "--port", $"{port}");
        Assert.NotEqual("ok", finding.GetProperty("verdict").GetString());
        Assert.Contains(
            $"127.0.0.1:{port} is taken by process {Environment.ProcessId} ",
            finding.GetProperty("text").GetString());
        Assert.NotEmpty(finding.GetProperty("advice").GetString()!);
    }

    [Fact]
    public void Two_ports_that_are_the_same_are_a_problem()
    {
        JsonElement finding = Find("links port", "--port", "8599", "--links-port", "8599");
        Assert.Equal("problem", finding.GetProperty("verdict").GetString());
        Assert.Contains("both 8599", finding.GetProperty("text").GetString());
    }

    [Fact]
    public void A_node_to_join_that_is_not_there_is_a_problem()
    {
        JsonElement finding = Find(
            "nodes to join", "--roles", "worker", "--join", "127.0.0.1:1");
        Assert.Equal("problem", finding.GetProperty("verdict").GetString());
        Assert.StartsWith(
            "127.0.0.1:1 does not answer", finding.GetProperty("text").GetString());
    }

    [Fact]
    public void A_host_without_an_address_is_a_problem()
    {
        JsonElement finding = Find("host", "--host", "no-such-host.invalid");
        Assert.Equal("problem", finding.GetProperty("verdict").GetString());
    }

    [Fact]
    public void A_database_of_another_program_is_a_problem_and_so_is_one_of_another_cluster()
    {
        _state.Write("journal.db", new string('x', 4096));
        JsonElement finding = Find("database");
        Assert.Equal("problem", finding.GetProperty("verdict").GetString());
        File.Delete(_state["journal.db"]);

        _state.Write("cluster", "another");
        JsonElement[] findings = Findings("--state", _state.Path);
        Assert.Contains(findings, other =>
            other.GetProperty("text").GetString()!.StartsWith("it belongs to cluster 'another'"));
    }

    private JsonElement Find(string check, params string[] arguments) =>
        Findings(["--state", _state.Path, .. arguments]).First(
            finding => finding.GetProperty("check").GetString() == check);

    private static JsonElement[] Findings(params string[] arguments)
    {
        CommandRun run = Doctor(["--json", .. arguments]);
        Assert.Equal("", run.Error);
        using JsonDocument document = JsonDocument.Parse(run.Output);
        JsonElement root = document.RootElement.Clone();
        Assert.Equal(
            root.GetProperty("problems").GetInt32() > 0 ? ExitCode.Failure : ExitCode.Done,
            run.ExitCode);
        return [.. root.GetProperty("findings").EnumerateArray()];
    }

    // Ports are any free ones where a test does not say otherwise.
    private static CommandRun Doctor(params string[] arguments) => CommandRun.With(
        new Surroundings
        {
            Variables = new Dictionary<string, string>
            {
                ["BACKPROP__COMPUTE__THREADS"] = "1",
                ["BACKPROP__NODE__PORT"] = "0",
                ["BACKPROP__LINKS__PORT"] = "0",
                ["BACKPROP__API__PORT"] = "0",
            },
        },
        ["doctor", .. arguments]);
}
