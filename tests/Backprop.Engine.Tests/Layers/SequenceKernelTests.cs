using Backprop.Engine.Kernels;
using Backprop.Engine.Layers;
using Backprop.Engine.Randomness;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Layers;

/// <summary>The kernels of layers on sequences give the same bits at every vector width.</summary>
public sealed unsafe class SequenceKernelTests
{
    private const int Rows = 2;

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public void Attention_has_the_same_bits_at_every_width(bool isCausal, bool isPadded)
    {
        var heads = new AttentionHeads(Positions: 70, Queries: 4, Shared: 2, Width: 5);
        int inputs = Rows * heads.Positions * heads.InputWidth;
        int outputs = Rows * heads.Positions * heads.OutputWidth;
        using AlignedBuffer input = Random(1, inputs), error = Random(2, outputs);
        using var output = new AlignedBuffer(outputs);
        using var gradient = new AlignedBuffer(inputs);
        using var statistics = new AlignedBuffer(
            Rows * heads.Queries * heads.Positions * AttentionLayer.Statistics);
        using AlignedBuffer tokens = Random(5, Rows * heads.Positions);
        tokens.Span[^9..].Clear();
        var padding = new SequencePadding(isPadded ? tokens.Pointer : null, padding: 0);
        AssertSame(width =>
        {
            var forward = new AttentionForward
            {
                Heads = heads,
                IsCausal = isCausal,
                Rows = Rows,
                Padding = padding,
                Input = input.Pointer,
                Statistics = statistics.Pointer,
                Output = output.Pointer,
            };
            forward.Run(width, 0, 1);
            var backward = new AttentionBackward
            {
                Heads = heads,
                IsCausal = isCausal,
                Rows = Rows,
                Padding = padding,
                Input = input.Pointer,
                Statistics = statistics.Pointer,
                Output = output.Pointer,
                OutputGradient = error.Pointer,
                InputGradient = gradient.Pointer,
            };
            backward.Run(width, 0, 1);
            return [.. output.Span, .. gradient.Span, .. statistics.Span];
        });
    }

    [Fact]
    public void A_gated_product_has_the_same_bits_at_every_width()
    {
        const int Width = 37;
        using AlignedBuffer input = Random(3, Rows * 2 * Width), error = Random(4, Rows * Width);
        using var output = new AlignedBuffer(Rows * Width);
        using var gradient = new AlignedBuffer(Rows * 2 * Width);
        using var pool = new ComputePool(1);
        AssertSame(width =>
        {
            RowParallel.Run(
                width, pool,
                new GateForward { Width = Width, Input = input.Pointer, Output = output.Pointer },
                Rows, Width);
            var backward = new GateBackward
            {
                Width = Width,
                Input = input.Pointer,
                OutputGradient = error.Pointer,
                InputGradient = gradient.Pointer,
            };
            RowParallel.Run(width, pool, backward, Rows, Width);
            return [.. output.Span, .. gradient.Span];
        });
    }

    // The fold over few positions of a token is that of FoldedSum over all micro-batches.
    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(37)]
    public void An_embeddings_gradient_is_the_tree_over_all_micro_batches(int microBatches)
    {
        const int Vocabulary = 7, Width = 19, Positions = 96;
        int[] starts =
            [.. Enumerable.Range(0, microBatches + 1).Select(m => Positions * m / microBatches)];
        using AlignedBuffer error = Random(5, Positions * Width);
        using var tokens = new AlignedBuffer(Positions);
        using var gradient = new AlignedBuffer(Vocabulary * Width);
        using var masked = new AlignedBuffer(Positions * Width);
        using var expected = new AlignedBuffer(Vocabulary * Width);
        using var pool = new ComputePool(1);
        var random = new RandomStream(1, RandomPurpose.Generation);
        for (int i = 0; i < Positions; i++)
        {
            float uniform = random.Uniform(9, (ulong)i);
            tokens.Span[i] = (int)(uniform * uniform * Vocabulary);
        }

        for (int token = 0; token < Vocabulary; token++)
        {
            masked.Span.Clear();
            for (int i = 0; i < Positions; i++)
            {
                if (tokens.Span[i] == token)
                {
                    error.Span.Slice(i * Width, Width).CopyTo(masked.Span[(i * Width)..]);
                }
            }

            MatrixProduct.BiasGradient(
                pool, masked.Pointer, starts, Width, expected.Pointer + token * Width);
        }

        AssertSame(width =>
        {
            EmbeddingGradient.Compute(
                width, pool, tokens.Pointer, error.Pointer, starts, Vocabulary, Width,
                gradient.Pointer);
            return gradient.Span.ToArray();
        });
        Assert.Equal(expected.Span.ToArray(), gradient.Span.ToArray());
    }

    private static void AssertSame(Func<SimdWidth, float[]> run)
    {
        float[] first = run(SimdWidths.All[0]);
        foreach (SimdWidth width in SimdWidths.All)
        {
            Assert.Equal(first, run(width));
        }
    }

    private static AlignedBuffer Random(ulong item, int count)
    {
        var buffer = new AlignedBuffer(count);
        var random = new RandomStream(7, RandomPurpose.Generation);
        for (int i = 0; i < count; i++)
        {
            buffer.Span[i] = (float)random.Normal(item, (ulong)i);
        }

        return buffer;
    }
}
