using Backprop.Engine.Kernels;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>What a layer is given to compute its output.</summary>
public readonly unsafe ref struct ForwardPass
{
    /// <summary>The threads to compute with.</summary>
    public required ComputePool Pool { get; init; }

    /// <summary>Rows present.</summary>
    public required int Rows { get; init; }

    /// <summary>First row of each micro-batch present, and the end of the last. In evaluation the
    /// rows are one micro-batch.</summary>
    public required ReadOnlySpan<int> MicroBatchStarts { get; init; }

    /// <summary>Each row's index in its dataset, [rows].</summary>
    public required ReadOnlySpan<long> Samples { get; init; }

    /// <summary>The step, for randomness.</summary>
    public required StepKey Step { get; init; }

    /// <summary>The layer's position in the network: its stream of randomness.</summary>
    public required int LayerIndex { get; init; }

    /// <summary>The flat parameter vector.</summary>
    public required float* Weights { get; init; }

    /// <summary>Where in the flat vector each of the layer's parameters begins.</summary>
    public required ReadOnlySpan<int> ParameterOffsets { get; init; }

    /// <summary>[rows, inputs].</summary>
    public required float* Input { get; init; }

    /// <summary>[rows, <see cref="Layer.SkipShape"/>]: the second input; null where there is none.
    /// </summary>
    public float* SkipInput { get; init; }

    /// <summary>[rows, <see cref="Layer.SavedPerRow"/>].</summary>
    public float* Saved { get; init; }

    /// <summary>[micro-batches, <see cref="Layer.SavedPerMicroBatch"/>].</summary>
    public float* SavedByMicroBatch { get; init; }

    /// <summary>Memory that the pass, and the backward pass after it, may scribble on.</summary>
    public LayerScratch Work { get; init; }

    /// <summary>[rows, outputs], overwritten.</summary>
    public required float* Output { get; init; }

    /// <summary>The layer's parameter number <paramref name="index"/>.</summary>
    public float* Parameter(int index) => Weights + ParameterOffsets[index];
}

/// <summary>A tree node whose gradient a backward pass computes.</summary>
/// <param name="FirstMicroBatch">Its first micro-batch, counted in the pass.</param>
/// <param name="MicroBatchCount">Its micro-batches.</param>
/// <param name="Gradient">The flat gradient vector, as long as the parameters.</param>
public readonly unsafe struct NodeGradient(
    int FirstMicroBatch, int MicroBatchCount, float* Gradient)
{
    /// <summary>Its first micro-batch, counted in the pass.</summary>
    public readonly int FirstMicroBatch = FirstMicroBatch;

    /// <summary>Its micro-batches.</summary>
    public readonly int MicroBatchCount = MicroBatchCount;

    /// <summary>The flat gradient vector, laid out as the parameters are.</summary>
    public readonly float* Gradient = Gradient;
}

/// <summary>What a layer is given to propagate gradients back.</summary>
public readonly unsafe ref struct BackwardPass
{
    /// <summary>What the forward pass was given: input, output, saved values, parameters.</summary>
    public required ForwardPass Forward { get; init; }

    /// <summary>[rows, outputs]: dLoss/dOutput.</summary>
    public required float* OutputGradient { get; init; }

    /// <summary>[rows, inputs], overwritten with dLoss/dInput; null where nobody needs
    /// it.</summary>
    public required float* InputGradient { get; init; }

    /// <summary>The nodes of the gradient tree to compute parameter gradients for.</summary>
    public required ReadOnlySpan<NodeGradient> Nodes { get; init; }

    /// <summary>[rows, <see cref="Layer.ScratchPerRow"/>].</summary>
    public float* Scratch { get; init; }

    /// <summary>True: errors are passed back without the activation's derivative: the second
    /// article's variant. It cites Rashid's "Make your own neural network", which leaves the
    /// derivative out on the way back only, and keeps it in the update of a layer's own weights.
    /// </summary>
    public bool ErrorSplitting { get; init; }

    /// <summary>The rows at which a node's micro-batches start, and the end of its last.</summary>
    public ReadOnlySpan<int> StartsOf(in NodeGradient node) =>
        Forward.MicroBatchStarts.Slice(node.FirstMicroBatch, node.MicroBatchCount + 1);

    /// <summary>As <see cref="StartsOf(in NodeGradient)"/>, in rows of <paramref name="positions"/>
    /// positions each, counted in positions. The span is the caller's until it asks again.
    /// </summary>
    public ReadOnlySpan<int> StartsOf(in NodeGradient node, int positions)
    {
        ReadOnlySpan<int> rows = StartsOf(node);
        if (positions == 1)
        {
            return rows;
        }

        float* memory = Workspace.OfThisThread.Take(WorkspaceSlot.Starts, rows.Length);
        var starts = new Span<int>(memory, rows.Length);
        for (int i = 0; i < rows.Length; i++)
        {
            starts[i] = rows[i] * positions;
        }

        return starts;
    }

    /// <summary>Where a node's gradient of the layer's parameter number <paramref name="index"/>
    /// goes.</summary>
    public float* GradientOf(in NodeGradient node, int index) =>
        node.Gradient + Forward.ParameterOffsets[index];
}

/// <summary>What a layer's double-precision definition is given: all rows of one pass.</summary>
public readonly ref struct ReferencePass
{
    /// <summary>Rows present.</summary>
    public required int Rows { get; init; }

    /// <summary>As in <see cref="ForwardPass.MicroBatchStarts"/>.</summary>
    public required ReadOnlySpan<int> MicroBatchStarts { get; init; }

    /// <summary>As in <see cref="ForwardPass.Samples"/>.</summary>
    public required ReadOnlySpan<long> Samples { get; init; }

    /// <summary>The step, for randomness: the same masks as in single precision.</summary>
    public required StepKey Step { get; init; }

    /// <summary>The layer's position in the network.</summary>
    public required int LayerIndex { get; init; }

    /// <summary>The flat parameter vector.</summary>
    public required ReadOnlySpan<double> Weights { get; init; }

    /// <summary>As in <see cref="ForwardPass.ParameterOffsets"/>.</summary>
    public required ReadOnlySpan<int> ParameterOffsets { get; init; }

    /// <summary>[rows, inputs].</summary>
    public required ReadOnlySpan<double> Input { get; init; }

    /// <summary>[rows, <see cref="Layer.SkipShape"/>]: the second input; empty where there is none.
    /// </summary>
    public ReadOnlySpan<double> SkipInput { get; init; }

    /// <summary>[rows, outputs], overwritten.</summary>
    public required Span<double> Output { get; init; }

    /// <summary>[rows, <see cref="Layer.HeldPerRow"/>]: see <see cref="Hold"/>.</summary>
    public Span<double> Held { get; init; }

    /// <summary>Whether <see cref="Held"/> is of an earlier pass and stays as it is.</summary>
    public bool IsHeld { get; init; }

    /// <summary>The layer's parameter number <paramref name="index"/>, and what follows
    /// it.</summary>
    public ReadOnlySpan<double> Parameter(int index) => Weights[ParameterOffsets[index]..];

    /// <summary>Takes numbers as constants: the first pass keeps them, and those after it that are
    /// compared with it read them again.</summary>
    /// <param name="first">Where in <see cref="Held"/> they stand.</param>
    /// <param name="values">The numbers as computed; overwritten with those held.</param>
    public void Hold(int first, Span<double> values)
    {
        Span<double> held = Held.Slice(first, values.Length);
        if (IsHeld)
        {
            held.CopyTo(values);
        }
        else
        {
            values.CopyTo(held);
        }
    }
}
