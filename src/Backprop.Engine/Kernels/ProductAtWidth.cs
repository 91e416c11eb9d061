using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>The products of <see cref="MatrixProduct"/> at a width of the caller's choice.
/// </summary>
internal static unsafe class ProductAtWidth
{
    /// <summary>See <see cref="MatrixProduct.Multiply"/>.</summary>
    public static void Multiply(
        SimdWidth width, ComputePool pool, float* a, float* b, float* bias, int rows, int inner,
        int columns, float* c)
    {
        ProductWork.RunOn(
            width, pool,
            new ProductPart(
                new StridedMatrix(a, inner, 1), new StridedMatrix(b, columns, 1), bias,
                rows, inner, columns, c, columns));
    }

    /// <summary>See <see cref="MatrixProduct.MultiplyByTransposed"/>.</summary>
    public static void MultiplyByTransposed(
        SimdWidth width, ComputePool pool, float* a, float* b, int rows, int inner, int columns,
        float* c)
    {
        ProductWork.RunOn(
            width, pool,
            new ProductPart(
                new StridedMatrix(a, inner, 1), new StridedMatrix(b, 1, inner), null,
                rows, inner, columns, c, columns));
    }

    /// <summary>See <see cref="MatrixProduct.WeightGradient"/>.</summary>
    public static void WeightGradient(
        SimdWidth width, ComputePool pool, float* input, float* outputGradient,
        ReadOnlySpan<int> starts, int inputs, int outputs, float* gradient)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(starts.Length, 2);
        var transposed = new StridedMatrix(input, 1, inputs);
        var errors = new StridedMatrix(outputGradient, outputs, 1);
        if (starts.Length == 2)
        {
            // Nothing to fold: an ordinary product, which may cut the chains as well.
            ProductWork.RunOn(
                width, pool,
                new ProductPart(
                    transposed.From(0, starts[0]), errors.From(starts[0], 0), null,
                    inputs, starts[1] - starts[0], outputs, gradient, outputs));
            return;
        }

        fixed (int* first = starts)
        {
            FoldedWork.RunOn(
                width, pool,
                new FoldedPart(
                    transposed, errors, first, starts.Length - 1, inputs, outputs, gradient,
                    outputs));
        }
    }

    /// <summary>See <see cref="MatrixProduct.BiasGradient"/>.</summary>
    public static void BiasGradient(
        SimdWidth width, ComputePool pool, float* outputGradient, ReadOnlySpan<int> starts,
        int outputs, float* gradient, int positions = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(starts.Length, 2);
        fixed (int* first = starts)
        {
            var work = new FoldedSumWork(
                outputGradient, first, starts.Length - 1, positions, outputs, gradient);
            new VectorWork<FoldedSumWork>(width, work).RunOn(pool, work.Operations);
        }
    }
}
