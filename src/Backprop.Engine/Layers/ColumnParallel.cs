using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Work on the columns of a matrix, each by itself, in the order of its rows.</summary>
internal interface IColumnKernel
{
    /// <summary>Does columns [<paramref name="column"/>, column + lanes).</summary>
    void Run<TVector, TSimd>(int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>Shares the columns of a matrix among the threads of a pool and the lanes of vectors.
/// Columns do not meet, so neither changes a result.</summary>
internal static class ColumnParallel
{
    private const int ColumnsOfACacheLine = 16;

    /// <summary>Runs <paramref name="kernel"/> over columns [0, <paramref name="columns"/>).
    /// </summary>
    public static void Run<TKernel>(ComputePool pool, TKernel kernel, int rows, int columns)
        where TKernel : struct, IColumnKernel =>
        Run(SimdWidths.Best, pool, kernel, rows, columns);

    /// <summary>As above, at a width of the caller's choice: for tests.</summary>
    public static void Run<TKernel>(
        SimdWidth width, ComputePool pool, TKernel kernel, int rows, int columns)
        where TKernel : struct, IColumnKernel
    {
        var body = new VectorWork<ColumnWork<TKernel>>(
            width, new ColumnWork<TKernel>(kernel, columns));
        RowParallel.Run(pool, (long)rows * columns, ref body);
    }

    private readonly struct ColumnWork<TKernel>(TKernel kernel, int columns) : IVectorWork
        where TKernel : struct, IColumnKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TVector, TSimd>(int part, int parts)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            TKernel own = kernel;
            int column = ComputePool.PartStart(columns, part, parts, ColumnsOfACacheLine);
            int end = ComputePool.PartStart(columns, part + 1, parts, ColumnsOfACacheLine);
            for (; column + TSimd.Lanes <= end; column += TSimd.Lanes)
            {
                own.Run<TVector, TSimd>(column);
            }

            for (; column < end; column++)
            {
                own.Run<float, SimdScalar>(column);
            }
        }
    }
}
