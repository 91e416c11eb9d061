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

    /// <summary>What a part computes of outputs [<paramref name="rows"/>,
    /// <paramref name="columns"/>].</summary>
    public static OutputShare Share(int part, int parts, int rows, int columns)
    {
        if (columns >= rows || columns >= 2 * ColumnGrain * parts)
        {
            int column = ComputePool.PartStart(columns, part, parts, ColumnGrain);
            int end = ComputePool.PartStart(columns, part + 1, parts, ColumnGrain);
            return new OutputShare(0, rows, column, end - column);
        }

        int row = ComputePool.PartStart(rows, part, parts);
        return new OutputShare(
            row, ComputePool.PartStart(rows, part + 1, parts) - row, 0, columns);
    }
}

/// <summary>Some of a product's outputs.</summary>
/// <param name="Row">The first row.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Column">The first column.</param>
/// <param name="Columns">Columns.</param>
internal readonly record struct OutputShare(int Row, int Rows, int Column, int Columns);

/// <summary>A product of two matrices, for the threads of a pool.</summary>
internal readonly struct ProductWork(ProductPart whole) : IVectorWork
{
    /// <summary>Computes a product.</summary>
    public static void RunOn(SimdWidth width, ComputePool pool, in ProductPart whole) =>
        new VectorWork<ProductWork>(width, new ProductWork(whole))
            .RunOn(pool, (long)whole.Rows * whole.Columns * whole.Inner);

    /// <summary>Computes a product on the calling thread, which may be one of a pool's.</summary>
    public static void RunHere(SimdWidth width, in ProductPart whole) =>
        new VectorWork<ProductWork>(width, new ProductWork(whole)).Run(0, 1);

    /// <inheritdoc/>
    public unsafe void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        OutputShare mine = Sharing.Share(part, parts, whole.Rows, whole.Columns);
        BlockedProduct<TVector, TSimd>.Run(new ProductPart(
            whole.A.From(mine.Row, 0), whole.B.From(0, mine.Column),
            whole.Bias is null ? null : whole.Bias + mine.Column,
            mine.Rows, whole.Inner, mine.Columns,
            whole.C + mine.Row * whole.CStride + mine.Column, whole.CStride, whole.Resume));
    }
}

/// <summary>A weight gradient, for the threads of a pool.</summary>
internal readonly struct FoldedWork(FoldedPart whole) : IVectorWork
{
    /// <summary>Computes a weight gradient.</summary>
    public static void RunOn(SimdWidth width, ComputePool pool, in FoldedPart whole) =>
        new VectorWork<FoldedWork>(width, new FoldedWork(whole))
            .RunOn(pool, (long)whole.Inputs * whole.Outputs * whole.Rows);

    /// <inheritdoc/>
    public unsafe void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        OutputShare mine = Sharing.Share(part, parts, whole.Inputs, whole.Outputs);
        FoldedProduct<TVector, TSimd>.Run(new FoldedPart(
            whole.Input.From(mine.Row, 0), whole.OutputGradient.From(0, mine.Column),
            whole.Starts, whole.MicroBatches, mine.Rows, mine.Columns,
            whole.Gradient + mine.Row * whole.GradientStride + mine.Column,
            whole.GradientStride));
    }
}

/// <summary>A bias gradient, for the threads of a pool.</summary>
internal readonly unsafe struct FoldedSumWork(
    float* rows, int* starts, int microBatches, int positions, int columns, float* sums)
    : IVectorWork
{
    private readonly float* _rows = rows;
    private readonly int* _starts = starts;
    private readonly float* _sums = sums;

    /// <summary>Additions in all.</summary>
    public long Operations =>
        (long)columns * positions * (_starts[microBatches] - _starts[0]);

    /// <inheritdoc/>
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int start = ComputePool.PartStart(columns, part, parts, Sharing.ColumnGrain);
        int mine = ComputePool.PartStart(columns, part + 1, parts, Sharing.ColumnGrain) - start;
        FoldedSum<TVector, TSimd>.Run(
            _rows + start, columns, _starts, microBatches, positions, mine, _sums + start);
    }
}
