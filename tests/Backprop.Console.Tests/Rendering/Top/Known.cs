using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Rendering.Top;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Console.Tests.Rendering.Top;

/// <summary>What a cluster tells, made up.</summary>
internal static class Known
{
    public static readonly DateTimeOffset Now = new(2026, 11, 29, 13, 0, 0, TimeSpan.Zero);

    public static TopState Nothing => new() { Server = new Uri("http://127.0.0.1:8470") };

    public static ServerEvent Event<T>(string kind, T data) =>
        new(kind, null, JsonSerializer.Serialize(data, ApiJson.Options));

    public static RunSummaryView Run(
        string id, RunStanding standing, long version = 50, string reason = "it trains") => new(
        new RunId(id), id, standing, reason, 0, Now, version, 100, 2, 0.125);

    public static ServerEvent Runs(params RunSummaryView[] runs) =>
        Event("runs", new RunPage(runs, null));

    public static ServerEvent Cluster(params (string Address, string Status)[] nodes) => Event(
        "cluster", new ClusterView(
            "backprop", [.. nodes.Select(node => Node(node.Address, node.Status))],
            new NodeId("10.0.0.1:8471#7"), []));

    public static ServerEvent View(RunSummaryView summary, double stepSeconds) =>
        Event("run", new RunView
        {
            Summary = summary,
            Epochs = 10,
            StepsPerEpoch = 10,
            Parameters = 1_000,
            Elapsed = TimeSpan.FromSeconds(5),
            Generation = 1,
            Servers = [new NodeId("10.0.0.1:8471#7")],
            Workers =
            [
                new WorkerShareView(
                    new NodeId("10.0.0.2:8471#8"), new MicroBatchRange(0, 6), 0.001),
                new WorkerShareView(
                    new NodeId("10.0.0.3:8471#9"), new MicroBatchRange(6, 8), 0.003),
            ],
            MicroBatches = 8,
            Progress = new StepProgress(
                summary.Id, new Generation(1), summary.Version, 0.5, 1.5, stepSeconds),
            History = [],
            Checkpoints = [new CheckpointView(40, Now, 1 << 20, 3, false)],
            Happenings = [],
            Result = null,
            Model = null,
            Notes = [],
        });

    public static ServerEvent Happening(long number, string text) =>
        Event("happening", new HappeningView(number, Now, text));

    public static ServerEvent Points(long first, params double[] losses)
    {
        ImmutableArray<double> all = [.. losses];
        ImmutableArray<float> floats = [.. losses.Select(loss => (float)loss)];
        return Event("points", new CurveTable(
            new RunId("digits-1"), first + losses.Length, [],
            [.. losses.Select((_, i) => first + i)], [.. losses.Select(_ => 1L)],
            all, all, all, all, floats, floats, []));
    }

    /// <summary>After these inputs.</summary>
    public static TopState After(this TopState state, params TopInput[] inputs) =>
        inputs.Aggregate(state, (now, input) => now.Decide(input).Next);

    public static TopState Hearing(this TopState state, params ServerEvent[] events) =>
        state.After([.. events.Select(told => new TopInput.Told(told))]);

    public static TopState Hearing(
        this TopState state, string run, params ServerEvent[] events) =>
        state.After([.. events.Select(told => new TopInput.ToldOfRun(new RunId(run), told))]);

    public static TopInput.Pressed Key(char letter) =>
        new(new ConsoleKeyInfo(letter, ConsoleKey.None, false, false, false));

    public static TopInput.Pressed Key(ConsoleKey key) =>
        new(new ConsoleKeyInfo('\0', key, false, false, false));

    private static NodeView Node(string address, string status) => new(
        new NodeDescription(
            new NodeId($"{address}#1"), NodeRoles.Worker | NodeRoles.ParameterServer,
            new LinkAddress("10.0.0.1", 8472), "0.1.0", 4, "AVX2"),
        address, status, []);
}
