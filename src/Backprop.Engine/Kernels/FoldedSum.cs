using System.Numerics;
using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>Sums over the rows of each micro-batch, folded as <see cref="FoldedProduct{TVector,
/// TSimd}"/> folds.</summary>
internal static unsafe class FoldedSum<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    private const int MaxLevels = 32;
    private const int MaxWidth = 64;

    /// <summary>Sums columns.</summary>
    /// <param name="rows">[rows, columns], rows <paramref name="stride"/> floats apart.</param>
    /// <param name="stride">Floats from a row to the next.</param>
    /// <param name="starts">First row of each micro-batch, and the end of the last.</param>
    /// <param name="microBatches">Micro-batches, one at least.</param>
    /// <param name="positions">Rows of the matrix in a row of the batch: they are summed one after
    /// the other.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="sums">[columns], overwritten.</param>
    public static void Run(
        float* rows, nint stride, int* starts, int microBatches, int positions, int columns,
        float* sums)
    {
        int column = 0;
        for (; column + 4 * TSimd.Lanes <= columns; column += 4 * TSimd.Lanes)
        {
            FourVectors(rows + column, stride, starts, microBatches, positions, sums + column);
        }

        for (; column + TSimd.Lanes <= columns; column += TSimd.Lanes)
        {
            OneVector<TVector, TSimd>(
                rows + column, stride, starts, microBatches, positions, sums + column);
        }

        for (; column < columns; column++)
        {
            OneVector<float, SimdScalar>(
                rows + column, stride, starts, microBatches, positions, sums + column);
        }
    }

    // Four chains at once hide the latency of an addition.
    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourVectors(
        float* rows, nint stride, int* starts, int microBatches, int positions, float* sums)
    {
        float* levels = stackalloc float[MaxLevels * MaxWidth];
        int lanes = TSimd.Lanes;
        for (int m = 0; ; m++)
        {
            TVector sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
            float* row = rows + starts[m] * positions * stride;
            for (int i = starts[m] * positions; i < starts[m + 1] * positions; i++)
            {
                sum0 = TSimd.Add(sum0, TSimd.Load(row));
                sum1 = TSimd.Add(sum1, TSimd.Load(row + lanes));
                sum2 = TSimd.Add(sum2, TSimd.Load(row + 2 * lanes));
                sum3 = TSimd.Add(sum3, TSimd.Load(row + 3 * lanes));
                row += stride;
            }

            bool last = m == microBatches - 1;
            int level = BitOperations.TrailingZeroCount(~m);
            uint folds = last ? (uint)m : (1u << level) - 1;
            for (; folds != 0; folds &= folds - 1)
            {
                float* stored = levels + BitOperations.TrailingZeroCount(folds) * MaxWidth;
                sum0 = TSimd.Add(TSimd.Load(stored), sum0);
                sum1 = TSimd.Add(TSimd.Load(stored + lanes), sum1);
                sum2 = TSimd.Add(TSimd.Load(stored + 2 * lanes), sum2);
                sum3 = TSimd.Add(TSimd.Load(stored + 3 * lanes), sum3);
            }

            float* to = last ? sums : levels + level * MaxWidth;
            TSimd.Store(sum0, to);
            TSimd.Store(sum1, to + lanes);
            TSimd.Store(sum2, to + 2 * lanes);
            TSimd.Store(sum3, to + 3 * lanes);
            if (last)
            {
                return;
            }
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneVector<TOne, TOneSimd>(
        float* rows, nint stride, int* starts, int microBatches, int positions, float* sums)
        where TOne : struct
        where TOneSimd : struct, ISimd<TOne>
    {
        float* levels = stackalloc float[MaxLevels * MaxWidth];
        for (int m = 0; ; m++)
        {
            TOne sum = TOneSimd.Zero;
            float* row = rows + starts[m] * positions * stride;
            for (int i = starts[m] * positions; i < starts[m + 1] * positions; i++)
            {
                sum = TOneSimd.Add(sum, TOneSimd.Load(row));
                row += stride;
            }

            bool last = m == microBatches - 1;
            int level = BitOperations.TrailingZeroCount(~m);
            uint folds = last ? (uint)m : (1u << level) - 1;
            for (; folds != 0; folds &= folds - 1)
            {
                float* stored = levels + BitOperations.TrailingZeroCount(folds) * MaxWidth;
                sum = TOneSimd.Add(TOneSimd.Load(stored), sum);
            }

            if (last)
            {
                TOneSimd.Store(sum, sums);
                return;
            }

            TOneSimd.Store(sum, levels + level * MaxWidth);
        }
    }
}
