using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>
/// The three matrix products of backpropagation, all matrices row-major and dense. Every output is
/// one ascending chain of fused multiply-adds over the inner dimension, starting from +0, whatever
/// the tile size, the vector width or the number of threads (rule 3).
/// </summary>
/// <remarks>Sources are <see cref="AlignedBuffer"/>s or parts of them: up to
/// <see cref="AlignedBuffer.SlackFloats"/> floats past the end of one may be read, and do not
/// matter. Nothing is written but the destination, which may not overlap a source.</remarks>
public static unsafe class MatrixProduct
{
    /// <summary>Forward: c = a·b + bias.</summary>
    /// <param name="pool">The threads that share the outputs.</param>
    /// <param name="a">[rows, inner].</param>
    /// <param name="b">[inner, columns].</param>
    /// <param name="bias">[columns], added to the finished chain; null for none.</param>
    /// <param name="rows">Rows of a and c.</param>
    /// <param name="inner">Columns of a, rows of b.</param>
    /// <param name="columns">Columns of b and c.</param>
    /// <param name="c">[rows, columns], overwritten.</param>
    public static void Multiply(
        ComputePool pool, float* a, float* b, float* bias, int rows, int inner, int columns,
        float* c) =>
        ProductAtWidth.Multiply(
            SimdWidths.Best, pool, a, b, bias, rows, inner, columns, c);

    /// <summary>Input gradient: c = a·bᵀ.</summary>
    /// <param name="pool">The threads that share the outputs.</param>
    /// <param name="a">[rows, inner].</param>
    /// <param name="b">[columns, inner].</param>
    /// <param name="rows">Rows of a and c.</param>
    /// <param name="inner">Columns of a and b.</param>
    /// <param name="columns">Rows of b, columns of c.</param>
    /// <param name="c">[rows, columns], overwritten.</param>
    public static void MultiplyByTransposed(
        ComputePool pool, float* a, float* b, int rows, int inner, int columns, float* c) =>
        ProductAtWidth.MultiplyByTransposed(
            SimdWidths.Best, pool, a, b, rows, inner, columns, c);

    /// <summary>
    /// Weight gradient of one gradient-tree node: for each micro-batch m the product
    /// inputₘᵀ·outputGradientₘ, a chain over its rows in order; these folded up the gradient tree
    /// (rule 2) as a binary counter does.
    /// </summary>
    /// <param name="pool">The threads that share the outputs.</param>
    /// <param name="input">[rows of the batch, inputs].</param>
    /// <param name="outputGradient">[rows of the batch, outputs].</param>
    /// <param name="starts">First row of each of the node's micro-batches, and the end of the last:
    /// one more than there are micro-batches. A micro-batch may be empty.</param>
    /// <param name="inputs">Columns of <paramref name="input"/>.</param>
    /// <param name="outputs">Columns of <paramref name="outputGradient"/>.</param>
    /// <param name="gradient">[inputs, outputs], overwritten.</param>
    public static void WeightGradient(
        ComputePool pool, float* input, float* outputGradient, ReadOnlySpan<int> starts,
        int inputs, int outputs, float* gradient) =>
        ProductAtWidth.WeightGradient(
            SimdWidths.Best, pool, input, outputGradient, starts, inputs, outputs, gradient);

    /// <summary>Bias gradient of one gradient-tree node: sums over rows, folded as
    /// <see cref="WeightGradient"/> folds.</summary>
    /// <param name="pool">The threads that share the outputs.</param>
    /// <param name="outputGradient">[rows of the batch, outputs].</param>
    /// <param name="starts">As for <see cref="WeightGradient"/>.</param>
    /// <param name="outputs">Columns of <paramref name="outputGradient"/>.</param>
    /// <param name="gradient">[outputs], overwritten.</param>
    /// <param name="positions">Positions of a row, of <paramref name="outputs"/> columns each,
    /// which are summed one after the other.</param>
    public static void BiasGradient(
        ComputePool pool, float* outputGradient, ReadOnlySpan<int> starts, int outputs,
        float* gradient, int positions = 1) =>
        ProductAtWidth.BiasGradient(
            SimdWidths.Best, pool, outputGradient, starts, outputs, gradient, positions);
}
