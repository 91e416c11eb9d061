using Backprop.Engine.Networks;

namespace Backprop.Engine.Gradients;

/// <summary>
/// What a worker computes in a step: for its range of micro-batches, the gradient and the loss of
/// each tree node of the range's cover. One process that owns them all has one node, the root.
/// </summary>
public sealed class GradientSet : IDisposable
{
    private readonly AlignedBuffer[] _gradients;
    private readonly double[] _lossSums;

    /// <summary>Buffers for micro-batches [<paramref name="first"/>, <paramref name="end"/>) of
    /// <paramref name="microBatches"/>.</summary>
    public GradientSet(ParameterLayout layout, int first, int end, int microBatches)
    {
        FirstMicroBatch = first;
        EndMicroBatch = end;
        MicroBatchCount = microBatches;
        Nodes = GradientTree.Cover(first, end, microBatches);
        _gradients = [.. Nodes.Select(_ => new AlignedBuffer(layout.Length))];
        _lossSums = new double[Nodes.Count];
    }

    /// <summary>The first micro-batch covered.</summary>
    public int FirstMicroBatch { get; }

    /// <summary>One past the last micro-batch covered.</summary>
    public int EndMicroBatch { get; }

    /// <summary>Micro-batches of the whole global batch, M.</summary>
    public int MicroBatchCount { get; }

    /// <summary>The nodes, left to right.</summary>
    public IReadOnlyList<TreeNode> Nodes { get; }

    /// <summary>A node's gradient, laid out as the parameters are: already scaled by
    /// 1 / (rows of the global batch). In the place of a statistic: the sum of what the
    /// micro-batches observed.</summary>
    public AlignedBuffer Gradient(int node) => _gradients[node];

    /// <summary>A node's loss: the sum over its rows, in row order within a micro-batch and up the
    /// tree above.</summary>
    public ref double LossSum(int node) => ref _lossSums[node];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (AlignedBuffer gradient in _gradients)
        {
            gradient.Dispose();
        }
    }
}
