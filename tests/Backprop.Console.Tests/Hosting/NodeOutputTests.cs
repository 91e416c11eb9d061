using System.Text.Json;

namespace Backprop.Console.Tests.Hosting;

/// <summary>What a node writes, for people and for programs.</summary>
public sealed class NodeOutputTests : IDisposable
{
    private readonly ScratchDirectory _state = new();

    public void Dispose() => _state.Dispose();

    [Theory]
    [InlineData("auto", "", "node")]
    [InlineData("auto", "true", "{")]
    [InlineData("json", "", "{")]
    [InlineData("text", "true", "node")]
    public void A_container_gets_JSON_unless_told_otherwise(
        string format, string container, string start)
    {
        var variables = new Dictionary<string, string>
        {
            ["BACKPROP__PERSISTENCE__DIRECTORY"] = _state.Path,
            ["BACKPROP__CLUSTER__JOIN"] = "127.0.0.1:1",
            ["BACKPROP__CLUSTER__JOIN_DEADLINE"] = "1s",
            ["BACKPROP__NODE__ROLES"] = "worker",
            ["BACKPROP__NODE__PORT"] = "0",
            ["BACKPROP__LINKS__PORT"] = "0",
            ["BACKPROP__LOG__FORMAT"] = format,
            ["BACKPROP__LOG__LEVEL"] = "error",
            ["DOTNET_RUNNING_IN_CONTAINER"] = container,
        };

        CommandRun run = CommandRun.With(new Surroundings { Variables = variables }, "node");

        Assert.Equal(ExitCode.Failure, run.ExitCode);
        Assert.StartsWith("backprop: ", run.Error);
        string[] lines = run.Output.Split(
            Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        if (start != "{")
        {
            Assert.StartsWith("node      127.0.0.1:", lines[0]);
            return;
        }

        using JsonDocument first = JsonDocument.Parse(lines[0]);
        Assert.StartsWith(
            "node 127.0.0.1:", first.RootElement.GetProperty("message").GetString());
        using JsonDocument last = JsonDocument.Parse(lines[^1]);
        Assert.Equal("error", last.RootElement.GetProperty("level").GetString());
        Assert.Equal(
            run.Error.TrimEnd()["backprop: ".Length..],
            last.RootElement.GetProperty("message").GetString());
    }
}
