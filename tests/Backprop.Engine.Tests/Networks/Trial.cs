using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Networks;

/// <summary>A network with weights and one global batch of random rows, to compute gradients of.
/// </summary>
internal sealed class Trial : IDisposable
{
    private const ulong Seed = 20260101;

    public Trial(
        Shape input, IReadOnlyList<LayerDefinition> layers, int rows, int microBatches = 1,
        int threads = 1, int? vocabulary = null)
    {
        Network = Network.Build(input, layers);
        Weights = new AlignedBuffer(Network.Layout.Length);
        Network.InitializeWeights(Seed, Weights);
        Pool = new ComputePool(threads);
        Work = new StepWork(Seed, Step: 3, new MicroBatches(rows, microBatches));
        Batch = new Batch(Math.Max(rows, 1), input.Count, Network.OutputShape.Count)
        {
            Rows = rows,
        };
        var random = new RandomStream(Seed, RandomPurpose.Generation);
        FillNormal(random, item: 0, Batch.Features.Span);
        FillNormal(random, item: 1, Batch.Targets.Span);
        if (vocabulary is int tokens)
        {
            FillTokens(random, item: 2, tokens, Batch.Features.Span);
        }

        for (int row = 0; row < rows; row++)
        {
            Batch.Samples[row] = 1000 + 7 * row;
        }
    }

    public Network Network { get; }

    public Loss Loss { get; } = new LinearLoss();

    public AlignedBuffer Weights { get; }

    public Batch Batch { get; }

    public StepWork Work { get; init; }

    public ComputePool Pool { get; }

    public NetworkExecutor NewExecutor(bool errorSplitting = false, bool keepsAll = false)
    {
        var executor = new NetworkExecutor(
            Network, Loss, Batch.Capacity, Work.MicroBatches.Count, Pool, errorSplitting, keepsAll);
        executor.UseWeights(Weights);
        return executor;
    }

    /// <summary>The gradients of micro-batches [first, end), computed by an executor of its own
    /// from a batch of only their rows.</summary>
    public GradientSet Compute(int first, int end, out float[] output)
    {
        MicroBatches cut = Work.MicroBatches;
        int start = cut.Start(first), rows = cut.Start(end) - start;
        using Batch part = RowsOf(start, rows);
        using NetworkExecutor executor = NewExecutor();
        var gradients = new GradientSet(Network.Layout, first, end, cut.Count);
        executor.ComputeGradients(part, Work, gradients, listener: null);
        output = executor.Activation(Network.Nodes.Length - 1).ToArray();
        return gradients;
    }

    /// <summary>The gradient and loss sum of the whole global batch.</summary>
    public (float[] Gradient, double LossSum) ComputeAll()
    {
        using GradientSet gradients = Compute(0, Work.MicroBatches.Count, out _);
        return (gradients.Gradient(0).Span.ToArray(), gradients.LossSum(0));
    }

    public Batch RowsOf(int start, int rows)
    {
        int features = Batch.FeatureWidth, targets = Batch.TargetWidth;
        var part = new Batch(Math.Max(rows, 1), features, targets) { Rows = rows };
        Batch.Features.Span.Slice(start * features, rows * features).CopyTo(part.Features.Span);
        Batch.Targets.Span.Slice(start * targets, rows * targets).CopyTo(part.Targets.Span);
        Batch.Samples.AsSpan(start, rows).CopyTo(part.Samples);
        return part;
    }

    public Span<float> Parameter(string name)
    {
        Assert.True(Network.Layout.TryFind(name, out ParameterView? view), name);
        return Weights.Span.Slice(view.Offset, view.Length);
    }

    public void Dispose()
    {
        Weights.Dispose();
        Batch.Dispose();
        Pool.Dispose();
    }

    // The last token of the vocabulary does not occur.
    private static void FillTokens(RandomStream random, ulong item, int vocabulary, Span<float> to)
    {
        for (int i = 0; i < to.Length; i++)
        {
            to[i] = (int)(random.Uniform(item, (ulong)i) * (vocabulary - 1));
        }
    }

    // Roughly normal, mean 0, variance 1: the sum of twelve uniform numbers.
    private static void FillNormal(RandomStream random, ulong item, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            float sum = -6;
            for (int k = 0; k < 12; k++)
            {
                sum += random.Uniform(item, (ulong)(12 * i + k));
            }

            values[i] = sum;
        }
    }
}
