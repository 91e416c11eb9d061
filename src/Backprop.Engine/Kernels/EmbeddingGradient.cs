using System.Numerics;
using System.Runtime.CompilerServices;
using Backprop.Engine.Layers;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>
/// The gradient of a table of vectors: for each token the sum of the gradients of the positions
/// where it stands, in their order inside a micro-batch and then up the gradient tree (rule 2).
/// </summary>
/// <remarks>Positions are sorted by token first, so that a token costs what it occurs, and not a
/// fold over all micro-batches. A micro-batch without a token adds +0 to its sum, which changes no
/// bit, since no sum that began with +0 is −0; so it is left out.</remarks>
internal static unsafe class EmbeddingGradient
{
    /// <summary>Computes the gradient of one gradient-tree node.</summary>
    /// <param name="pool">The threads that share the columns.</param>
    /// <param name="tokens">[positions of the batch]: whole numbers below the vocabulary.</param>
    /// <param name="outputGradient">[positions of the batch, width].</param>
    /// <param name="starts">First position of each of the node's micro-batches, and the end of the
    /// last.</param>
    /// <param name="vocabulary">Tokens.</param>
    /// <param name="width">Numbers in a vector.</param>
    /// <param name="gradient">[vocabulary, width], overwritten.</param>
    public static void Compute(
        ComputePool pool, float* tokens, float* outputGradient, ReadOnlySpan<int> starts,
        int vocabulary, int width, float* gradient) =>
        Compute(
            SimdWidths.Best, pool, tokens, outputGradient, starts, vocabulary, width, gradient);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public static void Compute(
        SimdWidth simdWidth, ComputePool pool, float* tokens, float* outputGradient,
        ReadOnlySpan<int> starts, int vocabulary, int width, float* gradient)
    {
        int positions = starts[^1] - starts[0];
        var memory = (int*)Workspace.OfThisThread.Take(
            WorkspaceSlot.Tokens, vocabulary + 1L + (2L * positions));
        var kernel = new EmbeddingColumns
        {
            Ends = memory,
            Sorted = memory + vocabulary + 1,
            MicroBatches = memory + vocabulary + 1 + positions,
            Vocabulary = vocabulary,
            Width = width,
            OutputGradient = outputGradient,
            Gradient = gradient,
        };
        Sort(tokens, starts, kernel);
        ColumnParallel.Run(simdWidth, pool, kernel, vocabulary + positions, width);
    }

    // A counting sort: it keeps the order of the positions of one token.
    private static void Sort(float* tokens, ReadOnlySpan<int> starts, in EmbeddingColumns kernel)
    {
        int* ends = kernel.Ends;
        new Span<int>(ends, kernel.Vocabulary + 1).Clear();
        for (int i = starts[0]; i < starts[^1]; i++)
        {
            ends[(int)tokens[i] + 1]++;
        }

        for (int token = 0; token < kernel.Vocabulary; token++)
        {
            ends[token + 1] += ends[token];
        }

        // What begins as each token's start ends as its end.
        for (int m = 0; m + 1 < starts.Length; m++)
        {
            for (int i = starts[m]; i < starts[m + 1]; i++)
            {
                int place = ends[(int)tokens[i]]++;
                kernel.Sorted[place] = i;
                kernel.MicroBatches[place] = m;
            }
        }
    }
}

/// <summary>Columns of an embedding's gradient, token after token.</summary>
internal unsafe struct EmbeddingColumns : IColumnKernel
{
    private const int MaxLevels = 32;
    private const int MaxLanes = 16;

    /// <summary>[vocabulary]: where each token's positions end in <see cref="Sorted"/>.</summary>
    public required int* Ends;

    /// <summary>[positions]: sorted by token, then as they come.</summary>
    public required int* Sorted;

    /// <summary>[positions]: the micro-batch of each, as they are sorted.</summary>
    public required int* MicroBatches;

    public required int Vocabulary;
    public required int Width;

    /// <summary>[positions of the batch, width].</summary>
    public required float* OutputGradient;

    /// <summary>[vocabulary, width].</summary>
    public required float* Gradient;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TVector, TSimd>(int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* levels = stackalloc float[MaxLevels * MaxLanes];
        int* waiting = stackalloc int[MaxLevels];
        int place = 0;
        for (int token = 0; token < Vocabulary; token++)
        {
            float* to = Gradient + (nint)token * Width + column;
            int end = Ends[token];
            if (place == end)
            {
                TSimd.Store(TSimd.Zero, to);
                continue;
            }

            TSimd.Store(SumOf<TVector, TSimd>(place, end, column, levels, waiting), to);
            place = end;
        }
    }

    // Sums of micro-batches wait in levels until the next one shows that their subtree is complete:
    // two neighbours are siblings' sums as soon as the next lies outside of what they share.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly TVector SumOf<TVector, TSimd>(
        int place, int end, int column, float* levels, int* waiting)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int depth = 0;
        while (true)
        {
            int m = MicroBatches[place];
            TVector sum = TSimd.Zero;
            for (; place < end && MicroBatches[place] == m; place++)
            {
                sum = TSimd.Add(
                    sum, TSimd.Load(OutputGradient + (nint)Sorted[place] * Width + column));
            }

            bool last = place == end;
            int next = last ? 0 : MicroBatches[place];
            while (depth > 0
                && (last || Height(waiting[depth - 1], m) < Height(m, next)))
            {
                depth--;
                sum = TSimd.Add(TSimd.Load(levels + depth * MaxLanes), sum);
                m = waiting[depth];
            }

            if (last)
            {
                return sum;
            }

            TSimd.Store(sum, levels + depth * MaxLanes);
            waiting[depth] = m;
            depth++;
        }
    }

    // How far above the leaves the tree's node is in which two micro-batches meet.
    private static int Height(int first, int second) =>
        BitOperations.Log2((uint)(first ^ second));
}
