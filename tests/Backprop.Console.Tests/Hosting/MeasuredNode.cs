using Backprop.Console.Hosting;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Tests.Hosting;

/// <summary>A node in this process, a whole cluster by itself, on ports that the system chooses.
/// </summary>
internal sealed class MeasuredNode : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly ScratchDirectory _state;
    private readonly NodeConfiguration _configuration;
    private readonly NodeHost _host;

    private MeasuredNode(ScratchDirectory state, NodeConfiguration configuration, NodeHost host) =>
        (_state, _configuration, _host) = (state, configuration, host);

    public Uri Api => Named("api");

    public string State => _state.Path;

    public Uri Listener => new(Named("metrics"), "/");

    public bool Listens => _host.Description.Any(
        line => line.StartsWith("metrics", StringComparison.Ordinal));

    /// <summary>Starts it; it has not joined yet.</summary>
    /// <param name="isMeasured">Whether it listens for Prometheus.</param>
    /// <param name="variables">Set beside those that every such node has.</param>
    public static async Task<MeasuredNode> StartAsync(
        bool isMeasured, params (string Name, string Value)[] variables)
    {
        Directory.SetCurrentDirectory(CommandRun.Root);
        var state = new ScratchDirectory();
        var all = new Dictionary<string, string>
        {
            ["BACKPROP__PERSISTENCE__DIRECTORY"] = state.Path,
            ["BACKPROP__COMPUTE__THREADS"] = "1",
            ["BACKPROP__NODE__PORT"] = "0",
            ["BACKPROP__LINKS__PORT"] = "0",
            ["BACKPROP__API__PORT"] = "0",
            ["BACKPROP__METRICS__PORT"] = "0",
            ["BACKPROP__METRICS__ENABLED"] = isMeasured ? "true" : "false",
            ["BACKPROP__LOG__LEVEL"] = "error",
        };
        foreach ((string name, string value) in variables)
        {
            all[name] = value;
        }

        NodeConfiguration configuration = NodeConfigurationReader.Read(null, all);
        NodeHost host = await NodeHost.StartAsync(configuration, CancellationToken.None);
        return new MeasuredNode(state, configuration, host);
    }

    public async Task JoinAsync() => Assert.Null(await _host.JoinAsync(
        _configuration.Cluster.JoinDeadline, TimeProvider.System.GetTimestamp(),
        CancellationToken.None));

    /// <summary>Asks again and again until it is as it should be.</summary>
    public static async Task<T> AwaitAsync<T>(Func<Task<T>> ask, Func<T, bool> isRight)
    {
        long began = TimeProvider.System.GetTimestamp();
        T answer = await ask();
        while (!isRight(answer) && TimeProvider.System.GetElapsedTime(began) < s_patience)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50));
            answer = await ask();
        }

        return answer;
    }

    public async ValueTask DisposeAsync()
    {
        await _host.DisposeAsync();
        _state.Dispose();
    }

    private Uri Named(string name) => new(_host.Description
        .First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Trim());
}
