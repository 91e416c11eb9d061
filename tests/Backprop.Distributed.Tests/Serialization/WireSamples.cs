using System.Collections.Immutable;
using Backprop.Distributed.Persistence;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Serialization;

/// <summary>A message of every kind with every field set, and the bytes that it has for ever. When
/// a test against these fails, what earlier versions wrote has become unreadable.</summary>
internal static class WireSamples
{
    private static readonly RunId s_run = new("xor-1");
    private static readonly string s_sha = string.Concat(Enumerable.Repeat("a0b1c2d3", 8));

    public static ImmutableArray<(string Manifest, object Message, string Hex)> All { get; } =
    [
        ("SD", Directive, Golden.ServerDirective),
        ("SS", Status, Golden.ServerStatus),
        ("WD", WorkerDirective, Golden.WorkerDirective),
        ("WS", WorkerStatus, Golden.WorkerStatus),
        ("CP", Piece, Golden.CheckpointPiece),
    ];

    public static ServerDirective Directive => new()
    {
        Run = s_run,
        Stamp = new DirectiveStamp(new Term(3), 17),
        Generation = new Generation(2),
        Servers = [new("a:1#7"), new("b:1#8")],
        Slice = 1,
        Origin = new SliceOrigin.Checkpoint(40, 30, -0.0),
        Workers = [new("c:1#9")],
        Lease = new Lease(60, 1),
        CheckpointVersion = 0,
        BestVersion = 30,
        Closed = true,
    };

    public static ServerStatus Status => new()
    {
        Run = s_run,
        Server = new NodeId("b:1#8"),
        Generation = new Generation(2),
        Seen = new DirectiveStamp(new Term(3), 17),
        Number = 5,
        Slice = 1,
        Phase = new SlicePhase.Failed("no memory"),
        Version = 41,
        Wait = new SliceWait(
            41, [new(0, 2), new(5, 6)], [0, 2], TimeSpan.FromMilliseconds(1500)),
        Saved = new SavedSlice(40, 30, 1.5, [new(0, 4, s_sha), new(4, 5, s_sha)]),
        BestVersion = 30,
        Lease = new LeaseSummary(60, 2.25, [new("hidden", 0.5, 4)]),
        NonFinite = new NonFiniteStop(44, "gradient of hidden.weights", 43),
    };

    public static WorkerDirective WorkerDirective => new()
    {
        Run = s_run,
        Stamp = new DirectiveStamp(new Term(3), 18),
        Generation = new Generation(2),
        Servers = [new("a:1#7")],
        Revision = 6,
        Assigned = new MicroBatchRange(4, 8),
        Speculation = new Speculation(41, [new(0, 1), new(3, 4)]),
        Lease = new Lease(60, 1),
        Evaluation = new EvaluationRequest(40, new MicroBatchRange(0, 3)),
        Closed = true,
    };

    public static WorkerStatus WorkerStatus => new()
    {
        Run = s_run,
        Worker = new NodeId("c:1#9"),
        Generation = new Generation(2),
        Seen = new DirectiveStamp(new Term(3), 18),
        Number = 7,
        Phase = new WorkerPhase.Whole(),
        Version = 41,
        Evaluation = new EvaluationDone(
            new EvaluationRequest(40, new MicroBatchRange(1, 3)),
            new MetricsPart(
                1, [0.5, -0.0], [3, 1, 0, 4],
                [new TargetSums([1, 2], [3, 4], [new(2, 0.5, 0.25), new(1, -1, 0)])])),
        SecondsPerMicroBatch = 0,
    };

    public static CheckpointPiece Piece => new(
        s_run, 40, new CheckpointPart(2, 3, s_sha), new byte[] { 0, 0, 128, 63 });
}
