using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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
    private const int WorthSharing = 16_384;
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
        var body = new Body<TKernel> { Kernel = kernel, Columns = columns, Width = width };
        if ((long)rows * columns < WorthSharing)
        {
            body.Run(0, 1);
        }
        else
        {
            pool.Run(ref body);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RunRange<TKernel, TVector, TSimd>(TKernel kernel, int start, int end)
        where TKernel : struct, IColumnKernel
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int column = start;
        for (; column + TSimd.Lanes <= end; column += TSimd.Lanes)
        {
            kernel.Run<TVector, TSimd>(column);
        }

        for (; column < end; column++)
        {
            kernel.Run<float, SimdScalar>(column);
        }
    }

    private struct Body<TKernel> : IParallelBody
        where TKernel : struct, IColumnKernel
    {
        public TKernel Kernel;
        public int Columns;
        public SimdWidth Width;

        public readonly void Run(int part, int parts)
        {
            int start = ComputePool.PartStart(Columns, part, parts, ColumnsOfACacheLine);
            int end = ComputePool.PartStart(Columns, part + 1, parts, ColumnsOfACacheLine);
            switch (Width)
            {
                case SimdWidth.Bits512:
                    RunRange<TKernel, Vector512<float>, Simd512>(Kernel, start, end);
                    break;
                case SimdWidth.Bits256:
                    RunRange<TKernel, Vector256<float>, Simd256>(Kernel, start, end);
                    break;
                case SimdWidth.Bits128:
                    RunRange<TKernel, Vector128<float>, Simd128>(Kernel, start, end);
                    break;
                default:
                    RunRange<TKernel, float, SimdScalar>(Kernel, start, end);
                    break;
            }
        }
    }
}
