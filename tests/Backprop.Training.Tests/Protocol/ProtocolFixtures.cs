using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>A run of two slices, 8 micro-batches and epochs of 4 steps, to put states by hand.
/// </summary>
internal static class ProtocolFixtures
{
    public static readonly RunId Run = new("run-1");

    public static readonly NodeId Self = new("self");

    public static readonly NodeId Other = new("other");

    public static readonly TimeSpan Start = TimeSpan.FromHours(1);

    private static readonly Network Network = Network.Build(
        Shape.Of(256),
        [new DenseDefinition(128), new DenseDefinition(300), new DenseDefinition(400)]);

    public static readonly RunDimensions Dimensions = new(
        Network.Layout, Rows: 64, BatchSize: 16, MicroBatches: 8, TotalSteps: 10,
        EvaluationMicroBatches: 6);

    public static readonly ServerPlan Server = new(
        Run, Dimensions, Network,
        new UpdateRules(
            new Sgd { LearningRate = 0.5f }, Penalty.None, new Clipping(null, 1)),
        new PlateauSchedule());

    public static readonly SlicePlan Slices = new(Network.Layout, 2);

    /// <summary>To the server of the first slice.</summary>
    public static ServerDirective ToServer(long sequence = 1, long lease = 4) => new()
    {
        Run = Run,
        Stamp = new DirectiveStamp(new Term(2), sequence),
        Generation = new Generation(3),
        Servers = [Self, Other],
        Slice = 0,
        Origin = new SliceOrigin.FirstWeights(),
        Workers = [new NodeId("worker")],
        Lease = new Lease(lease, 0),
    };

    public static WorkerDirective ToWorker(long sequence = 1, long lease = 4) => new()
    {
        Run = Run,
        Stamp = new DirectiveStamp(new Term(2), sequence),
        Generation = new Generation(3),
        Servers = [Other, new NodeId("another")],
        Revision = 1,
        Assigned = new MicroBatchRange(0, 4),
        Lease = new Lease(lease, 0),
    };

    public static GradientHeader Gradient(int piece, TreeNode node, long step = 0) =>
        new(Run, new Generation(3), step, node, piece);

    public static LossHeader Loss(TreeNode node, double sum, long step = 0) =>
        new(Run, new Generation(3), step, node, sum);

    public static SumsHeader Sums(int slice, long step = 0, bool asks = false, double loss = 0) =>
        new(Run, new Generation(3), step, slice, loss, asks);

    public static WeightsHeader Weights(int piece, long version) =>
        new(Run, new Generation(3), version, piece);

    public static int LengthOf(int piece) => Slices.Pieces[piece].Length;
}
