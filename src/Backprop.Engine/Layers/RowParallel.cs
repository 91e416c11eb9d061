using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Work on the rows of a layer's arrays, each by itself.</summary>
internal interface IRowKernel
{
    /// <summary>Does one row.</summary>
    void Run<TVector, TSimd>(int row)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>Shares the rows of a layer's arrays among the threads of a pool.</summary>
internal static unsafe class RowParallel
{
    // Below so many elements the calling thread is done before the others would have begun.
    private const int WorthSharing = 16_384;

    /// <summary>Runs a body whose parts are ranges of rows.</summary>
    /// <param name="pool">The threads.</param>
    /// <param name="elements">Elements touched in all, which decides whether sharing pays.</param>
    /// <param name="body">The work.</param>
    public static void Run<TBody>(ComputePool pool, long elements, ref TBody body)
        where TBody : struct, IParallelBody
    {
        if (elements < WorthSharing)
        {
            body.Run(0, 1);
        }
        else
        {
            pool.Run(ref body);
        }
    }

    /// <summary>Runs a kernel over rows [0, <paramref name="rows"/>) at the widest vectors.
    /// </summary>
    /// <param name="pool">The threads.</param>
    /// <param name="kernel">The work.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="width">Elements touched in a row.</param>
    public static void Run<TKernel>(ComputePool pool, in TKernel kernel, int rows, int width)
        where TKernel : struct, IRowKernel => Run(SimdWidths.Best, pool, kernel, rows, width);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public static void Run<TKernel>(
        SimdWidth simdWidth, ComputePool pool, in TKernel kernel, int rows, int width)
        where TKernel : struct, IRowKernel
    {
        var body = new VectorWork<RowWork<TKernel>>(
            simdWidth, new RowWork<TKernel>(kernel, rows));
        Run(pool, (long)rows * width, ref body);
    }

    /// <summary>destination = f(source), both [rows, width].</summary>
    public static void Map<TFunction>(
        ComputePool pool, in TFunction function, float* source, int rows, int width,
        float* destination)
        where TFunction : struct, IUnaryFunction
    {
        var body = new UnaryBody<TFunction>
        {
            Function = function,
            Source = source,
            Rows = rows,
            Width = width,
            Destination = destination,
        };
        Run(pool, (long)rows * width, ref body);
    }

    /// <summary>destination = f(first, second), all [rows, width].</summary>
    public static void Map<TFunction>(
        ComputePool pool, in TFunction function, float* first, float* second, int rows, int width,
        float* destination)
        where TFunction : struct, IBinaryFunction
    {
        var body = new BinaryBody<TFunction>
        {
            Function = function,
            First = first,
            Second = second,
            Rows = rows,
            Width = width,
            Destination = destination,
        };
        Run(pool, (long)rows * width, ref body);
    }

    /// <summary>destination = source, both [rows, width].</summary>
    public static void Copy(
        ComputePool pool, float* source, int rows, int width, float* destination)
    {
        var body = new CopyBody
        {
            Source = source,
            Rows = rows,
            Width = width,
            Destination = destination,
        };
        Run(pool, (long)rows * width, ref body);
    }

    private readonly struct RowWork<TKernel>(TKernel kernel, int rows) : IVectorWork
        where TKernel : struct, IRowKernel
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run<TVector, TSimd>(int part, int parts)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            TKernel own = kernel;
            int end = ComputePool.PartStart(rows, part + 1, parts);
            for (int row = ComputePool.PartStart(rows, part, parts); row < end; row++)
            {
                own.Run<TVector, TSimd>(row);
            }
        }
    }

    private struct UnaryBody<TFunction> : IParallelBody
        where TFunction : struct, IUnaryFunction
    {
        public TFunction Function;
        public float* Source;
        public int Rows;
        public int Width;
        public float* Destination;

        public readonly void Run(int part, int parts)
        {
            int start = ComputePool.PartStart(Rows, part, parts);
            int count = (ComputePool.PartStart(Rows, part + 1, parts) - start) * Width;
            nint offset = (nint)start * Width;
            Elementwise.Map(Function, Source + offset, count, Destination + offset);
        }
    }

    private struct BinaryBody<TFunction> : IParallelBody
        where TFunction : struct, IBinaryFunction
    {
        public TFunction Function;
        public float* First;
        public float* Second;
        public int Rows;
        public int Width;
        public float* Destination;

        public readonly void Run(int part, int parts)
        {
            int start = ComputePool.PartStart(Rows, part, parts);
            int count = (ComputePool.PartStart(Rows, part + 1, parts) - start) * Width;
            nint offset = (nint)start * Width;
            Elementwise.Map(
                Function, First + offset, Second + offset, count, Destination + offset);
        }
    }

    private struct CopyBody : IParallelBody
    {
        public float* Source;
        public int Rows;
        public int Width;
        public float* Destination;

        public readonly void Run(int part, int parts)
        {
            int start = ComputePool.PartStart(Rows, part, parts);
            long count = (long)(ComputePool.PartStart(Rows, part + 1, parts) - start) * Width;
            nint offset = (nint)start * Width;
            Buffer.MemoryCopy(
                Source + offset, Destination + offset, count * sizeof(float),
                count * sizeof(float));
        }
    }
}
