using System.Runtime.CompilerServices;
using Backprop.Engine.Layers;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Gradients;

/// <summary>Folds vectors up the gradient tree, one a micro-batch, that are all there:
/// <see cref="GradientTree.Fold"/> of every column. <see cref="TreeFold"/> takes them one after the
/// other, for which it needs less memory.</summary>
internal static unsafe class VectorFold
{
    /// <summary>destination = the sum of <paramref name="count"/> vectors.</summary>
    /// <param name="pool">The threads that share the columns.</param>
    /// <param name="vectors">[count, width]; what lies there afterwards is of no use.</param>
    /// <param name="stride">Floats from a vector to the next.</param>
    /// <param name="count">Vectors, one at least.</param>
    /// <param name="width">Floats of a vector.</param>
    /// <param name="destination">[width], overwritten.</param>
    public static void Run(
        ComputePool pool, float* vectors, int stride, int count, int width, float* destination) =>
        ColumnParallel.Run(
            pool, new Columns(vectors, stride, count, destination), count, width);

    private readonly struct Columns(float* vectors, int stride, int count, float* destination)
        : IColumnKernel
    {
        private readonly float* _vectors = vectors;
        private readonly float* _destination = destination;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Run<TVector, TSimd>(int column)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            for (int width = 1; width < count; width *= 2)
            {
                for (int left = 0; left + width < count; left += 2 * width)
                {
                    float* sum = _vectors + (nint)left * stride + column;
                    float* right = _vectors + (nint)(left + width) * stride + column;
                    TSimd.Store(TSimd.Add(TSimd.Load(sum), TSimd.Load(right)), sum);
                }
            }

            TSimd.Store(TSimd.Load(_vectors + column), _destination + column);
        }
    }
}
