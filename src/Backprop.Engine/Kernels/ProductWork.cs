using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>How the outputs of a product are shared among threads: whole columns or whole rows,
/// never the inner dimension, so that no chain is ever cut between threads.</summary>
internal static class Sharing
{
    /// <summary>Columns are shared in multiples of the widest panel.</summary>
    public const int ColumnGrain = 32;

    // Some three microseconds on one core: a fork and join costs one, and more where cores are
    // contended for.
    private const long MinWorkPerThread = 262_144;

    /// <summary>How many threads <paramref name="work"/> fused multiply-adds are worth.</summary>
    public static int Parts(ComputePool pool, long work) =>
        (int)Math.Clamp(work / MinWorkPerThread, 1, pool.Threads);

    /// <summary>True: share columns; false: share rows.</summary>
    public static bool ByColumns(int parts, int rows, int columns) =>
        columns >= rows || columns >= 2 * ColumnGrain * parts;
}

/// <summary>A product of two matrices, for the threads of a pool.</summary>
internal readonly struct ProductWork(SimdWidth width, ProductPart whole) : IParallelBody
{
    /// <summary>Computes it.</summary>
    public void RunOn(ComputePool pool)
    {
        ProductWork work = this;
        pool.Run(
            ref work, Sharing.Parts(pool, (long)whole.Rows * whole.Columns * whole.Inner));
    }

    /// <summary>Computes it on the calling thread, which may be one of a pool's.</summary>
    public void RunHere() => Run(0, 1);

    /// <inheritdoc/>
    public unsafe void Run(int part, int parts)
    {
        int row = 0, rowEnd = whole.Rows, column = 0, columnEnd = whole.Columns;
        if (Sharing.ByColumns(parts, whole.Rows, whole.Columns))
        {
            column = ComputePool.PartStart(whole.Columns, part, parts, Sharing.ColumnGrain);
            columnEnd = ComputePool.PartStart(whole.Columns, part + 1, parts, Sharing.ColumnGrain);
        }
        else
        {
            row = ComputePool.PartStart(whole.Rows, part, parts);
            rowEnd = ComputePool.PartStart(whole.Rows, part + 1, parts);
        }

        var mine = new ProductPart(
            whole.A.From(row, 0), whole.B.From(0, column),
            whole.Bias is null ? null : whole.Bias + column,
            rowEnd - row, whole.Inner, columnEnd - column,
            whole.C + row * whole.CStride + column, whole.CStride, whole.Resume);
        switch (width)
        {
            case SimdWidth.Bits512:
                BlockedProduct<Vector512<float>, Simd512>.Run(mine);
                break;
            case SimdWidth.Bits256:
                BlockedProduct<Vector256<float>, Simd256>.Run(mine);
                break;
            case SimdWidth.Bits128:
                BlockedProduct<Vector128<float>, Simd128>.Run(mine);
                break;
            default:
                BlockedProduct<float, SimdScalar>.Run(mine);
                break;
        }
    }
}

/// <summary>A weight gradient, for the threads of a pool.</summary>
internal readonly struct FoldedWork(SimdWidth width, FoldedPart whole) : IParallelBody
{
    /// <summary>Computes it.</summary>
    public void RunOn(ComputePool pool)
    {
        FoldedWork work = this;
        pool.Run(
            ref work, Sharing.Parts(pool, (long)whole.Inputs * whole.Outputs * whole.Rows));
    }

    /// <inheritdoc/>
    public unsafe void Run(int part, int parts)
    {
        int input = 0, inputEnd = whole.Inputs, output = 0, outputEnd = whole.Outputs;
        if (Sharing.ByColumns(parts, whole.Inputs, whole.Outputs))
        {
            output = ComputePool.PartStart(whole.Outputs, part, parts, Sharing.ColumnGrain);
            outputEnd = ComputePool.PartStart(whole.Outputs, part + 1, parts, Sharing.ColumnGrain);
        }
        else
        {
            input = ComputePool.PartStart(whole.Inputs, part, parts);
            inputEnd = ComputePool.PartStart(whole.Inputs, part + 1, parts);
        }

        var mine = new FoldedPart(
            whole.Input.From(input, 0), whole.OutputGradient.From(0, output), whole.Starts,
            whole.MicroBatches, inputEnd - input, outputEnd - output,
            whole.Gradient + input * whole.GradientStride + output, whole.GradientStride);
        switch (width)
        {
            case SimdWidth.Bits512:
                FoldedProduct<Vector512<float>, Simd512>.Run(mine);
                break;
            case SimdWidth.Bits256:
                FoldedProduct<Vector256<float>, Simd256>.Run(mine);
                break;
            case SimdWidth.Bits128:
                FoldedProduct<Vector128<float>, Simd128>.Run(mine);
                break;
            default:
                FoldedProduct<float, SimdScalar>.Run(mine);
                break;
        }
    }
}

/// <summary>A bias gradient, for the threads of a pool.</summary>
internal readonly unsafe struct FoldedSumWork(
    SimdWidth width, float* rows, int* starts, int microBatches, int positions, int columns,
    float* sums)
    : IParallelBody
{
    private readonly float* _rows = rows;
    private readonly int* _starts = starts;
    private readonly float* _sums = sums;

    /// <summary>Computes it.</summary>
    public void RunOn(ComputePool pool)
    {
        FoldedSumWork work = this;
        long additions =
            (long)columns * positions * (_starts[microBatches] - _starts[0]);
        pool.Run(ref work, Sharing.Parts(pool, additions));
    }

    /// <inheritdoc/>
    public void Run(int part, int parts)
    {
        int start = ComputePool.PartStart(columns, part, parts, Sharing.ColumnGrain);
        int mine = ComputePool.PartStart(columns, part + 1, parts, Sharing.ColumnGrain) - start;
        float* from = _rows + start;
        float* to = _sums + start;
        switch (width)
        {
            case SimdWidth.Bits512:
                FoldedSum<Vector512<float>, Simd512>.Run(
                    from, columns, _starts, microBatches, positions, mine, to);
                break;
            case SimdWidth.Bits256:
                FoldedSum<Vector256<float>, Simd256>.Run(
                    from, columns, _starts, microBatches, positions, mine, to);
                break;
            case SimdWidth.Bits128:
                FoldedSum<Vector128<float>, Simd128>.Run(
                    from, columns, _starts, microBatches, positions, mine, to);
                break;
            default:
                FoldedSum<float, SimdScalar>.Run(
                    from, columns, _starts, microBatches, positions, mine, to);
                break;
        }
    }
}
