using Backprop.Engine.Gradients;
using Backprop.Engine.Kernels;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;

namespace Backprop.Engine.Networks;

/// <summary>The memory of a <see cref="NetworkExecutor"/>, allocated once.</summary>
internal sealed unsafe class ExecutorBuffers : IDisposable
{
    private readonly AlignedBuffer?[] _outputs;
    private readonly AlignedBuffer? _shared;
    private readonly AlignedBuffer? _perThread;
    private readonly List<AlignedBuffer> _all = [];

    public ExecutorBuffers(
        ExecutionPlan plan, LossSum loss, int maxRows, int maxMicroBatches, int threads)
    {
        int count = plan.Nodes.Length;
        _outputs = new AlignedBuffer?[count];
        Gradients = new AlignedBuffer?[count];
        Saved = new AlignedBuffer?[count];
        SavedByMicroBatch = new AlignedBuffer?[count];
        try
        {
            foreach ((NodeFloats floats, List<int> nodes) in Places(plan))
            {
                string name = plan.Nodes[nodes[0]].Layer.Name;
                AlignedBuffer? output = Allocate(floats.Output, maxRows, name);
                AlignedBuffer? gradient = Allocate(floats.Gradient, maxRows, name);
                AlignedBuffer? saved = Allocate(floats.Saved, maxRows, name);
                AlignedBuffer? savedByMicroBatch =
                    Allocate(floats.SavedByMicroBatch, maxMicroBatches, name);
                foreach (int index in nodes)
                {
                    bool hasGradient = FloatsOf(plan, index).Gradient > 0;
                    _outputs[index] = output;
                    Gradients[index] = hasGradient ? gradient : null;
                    Saved[index] = saved;
                    SavedByMicroBatch[index] = savedByMicroBatch;
                }
            }

            Scratch = Allocate(ScratchFloats(plan), maxRows, "scratch");
            Arriving = Allocate(plan.AccumulatedWidth, maxRows, "gradients");
            Shared = Allocate(plan.SharedFloats, SharedVectors(maxMicroBatches), "gradients");
            RowLosses = Allocate(1, maxRows, "losses")!;
            PositionLosses = Allocate(PositionsOf(plan), maxRows, "losses")!;
            OwnLosses = Allocate(OwnLossesOf(loss), maxRows, "losses");
            Targets = Allocate(GatheredTargets(plan, loss), maxRows, "targets");
            (long shared, long perThread) = WorkFloats(plan, maxMicroBatches);
            _shared = AllocateWork(shared, 1);
            _perThread = AllocateWork(perThread, threads);
            Work = new LayerScratch(
                PointerOf(_shared), PointerOf(_perThread), (nint)perThread);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Each node's output gradient, [rows, outputs]; null where nobody needs it.</summary>
    public AlignedBuffer?[] Gradients { get; }

    /// <summary>What each node saves a row; null: nothing.</summary>
    public AlignedBuffer?[] Saved { get; }

    /// <summary>What each node saves a micro-batch; null: nothing.</summary>
    public AlignedBuffer?[] SavedByMicroBatch { get; }

    /// <summary>Shared by the backward passes of all layers; null: none needs any.</summary>
    public AlignedBuffer? Scratch { get; }

    /// <summary>Shared by the passes of all layers, both ways.</summary>
    public LayerScratch Work { get; }

    /// <summary>A gradient before it is added to another; null: none is.</summary>
    public AlignedBuffer? Arriving { get; }

    /// <summary>[<see cref="TreeFold.LevelsOf"/> the micro-batches and one more, floats]: gradients
    /// of a parameter that several layers share; null: none is.</summary>
    public AlignedBuffer? Shared { get; }

    /// <summary>[rows].</summary>
    public AlignedBuffer RowLosses { get; }

    /// <summary>[rows, positions]: the losses of the positions of sequences.</summary>
    public AlignedBuffer PositionLosses { get; }

    /// <summary>[outputs, rows]: the losses of each output alone, without its weight; null: there
    /// is one, without a weight, whose losses are the rows'.</summary>
    public AlignedBuffer? OwnLosses { get; }

    /// <summary>[rows, the widest output's targets]: those of one output at a time; null: there is
    /// one output.</summary>
    public AlignedBuffer? Targets { get; }

    /// <summary>What the constructor would allocate, in bytes.</summary>
    public static long Bytes(
        ExecutionPlan plan, LossSum loss, int maxRows, int maxMicroBatches, int threads)
    {
        long aRow = ScratchFloats(plan) + plan.AccumulatedWidth + 1L + PositionsOf(plan)
            + OwnLossesOf(loss) + GatheredTargets(plan, loss);
        long aMicroBatch = 0;
        foreach ((NodeFloats floats, _) in Places(plan))
        {
            aRow += (long)floats.Output + floats.Gradient + floats.Saved;
            aMicroBatch += floats.SavedByMicroBatch;
        }

        (long shared, long perThread) = WorkFloats(plan, maxMicroBatches);
        long folded = (long)plan.SharedFloats * SharedVectors(maxMicroBatches);
        return sizeof(float) * (aRow * maxRows + aMicroBatch * maxMicroBatches + folded + shared
            + perThread * threads);
    }

    public static float* PointerOf(AlignedBuffer? buffer) =>
        buffer is null ? null : buffer.Pointer;

    public float* OutputOf(int node) => PointerOf(_outputs[node]);

    public float* GradientOf(int node) => PointerOf(Gradients[node]);

    public void Dispose()
    {
        foreach (AlignedBuffer buffer in _all)
        {
            buffer.Dispose();
        }
    }

    // Which nodes share memory, and how much it takes: each has its own, but for what is recomputed
    // range by range. The first nodes of all ranges share a place, the second ones another.
    private static List<(NodeFloats Floats, List<int> Nodes)> Places(ExecutionPlan plan)
    {
        List<(NodeFloats Floats, List<int> Nodes)> own = [], shared = [];
        int range = -1, next = 0;
        for (int index = 0; index < plan.Nodes.Length; index++)
        {
            NodeFloats floats = FloatsOf(plan, index);
            if (!plan.Nodes[index].IsTransient)
            {
                own.Add((floats, [index]));
                continue;
            }

            next = plan.Nodes[index].Range == range ? next + 1 : 0;
            range = plan.Nodes[index].Range;
            if (next == shared.Count)
            {
                shared.Add((default, []));
            }

            shared[next].Nodes.Add(index);
            shared[next] = (floats.Or(shared[next].Floats), shared[next].Nodes);
        }

        return [.. own, .. shared];
    }

    private static NodeFloats FloatsOf(ExecutionPlan plan, int index)
    {
        Layer layer = plan.Nodes[index].Layer;
        int outputs = layer.OutputShape.Count;
        return layer.IsView
            ? default
            : new NodeFloats(
                outputs, plan.HasGradient(index) ? outputs : 0, layer.SavedPerRow,
                layer.SavedPerMicroBatch);
    }

    private static int SharedVectors(int maxMicroBatches) =>
        TreeFold.LevelsOf(maxMicroBatches) + 1;

    private static int OwnLossesOf(LossSum loss) => loss.Single is null ? loss.Terms.Length : 0;

    private static int GatheredTargets(ExecutionPlan plan, LossSum loss) =>
        plan.Outputs.Length == 1
            ? 0
            : plan.Outputs.Zip(loss.Terms).Max(
                pair => pair.Second.Loss.TargetWidth(pair.First.Shape));

    private static int PositionsOf(ExecutionPlan plan) => plan.Outputs.Max(
        output => Sequences.Positions(output.Shape));

    private static int ScratchFloats(ExecutionPlan plan) =>
        plan.Nodes.Max(node => node.RunsBackward ? node.Layer.ScratchPerRow : 0);

    private static (long Shared, long PerThread) WorkFloats(
        ExecutionPlan plan, int maxMicroBatches) =>
        (plan.Nodes.Max(node => node.Layer.SharedScratch(maxMicroBatches)),
            plan.Nodes.Max(node => node.Layer.ScratchPerThread));

    private AlignedBuffer? AllocateWork(long floats, int count)
    {
        if (floats > Shape.MaxCount / count)
        {
            throw new ArgumentException(
                $"a layer needs {floats:N0} floats of scratch memory, {count:N0} times, more than "
                + $"a buffer's {Shape.MaxCount:N0}: fewer filters, smaller images or fewer "
                + "micro-batches would fit");
        }

        return Allocate((int)floats, count, "scratch");
    }

    private AlignedBuffer? Allocate(int width, int count, string owner)
    {
        if (width == 0)
        {
            return null;
        }

        if ((long)width * count > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"'{owner}' needs {width:N0} floats for each of {count:N0} rows, more than a "
                + $"buffer's {Shape.MaxCount:N0}: a smaller batch would fit");
        }

        var buffer = new AlignedBuffer(width * count);
        _all.Add(buffer);
        return buffer;
    }

    private readonly record struct NodeFloats(
        int Output, int Gradient, int Saved, int SavedByMicroBatch)
    {
        /// <summary>What is room for either.</summary>
        public NodeFloats Or(NodeFloats other) => new(
            Math.Max(Output, other.Output), Math.Max(Gradient, other.Gradient),
            Math.Max(Saved, other.Saved), Math.Max(SavedByMicroBatch, other.SavedByMicroBatch));
    }
}
