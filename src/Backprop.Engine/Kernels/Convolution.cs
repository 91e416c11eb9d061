using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>
/// The three products of a convolution, channels last. Every output is one ascending chain of fused
/// multiply-adds that starts from +0 (rule 3). Windows that reach past the border read +0 there:
/// the border takes part in the chain like any other pixel, so that what it does to -0 and NaN does
/// not depend on how the work is cut.
/// </summary>
/// <remarks>Sources are <see cref="AlignedBuffer"/>s or parts of them, as for
/// <see cref="MatrixProduct"/>. Nothing is written but scratch and destination.</remarks>
internal static unsafe class Convolution
{
    /// <summary>Field of an image: element (position, o) is the chain over (kh, kw, c) of pixel·w,
    /// c in the group of o, and then + bias.</summary>
    /// <param name="width">Floats in a vector.</param>
    /// <param name="pool">The threads that share the rows.</param>
    /// <param name="geometry">The sizes.</param>
    /// <param name="scratch">Memory, of the geometry's sizes at least.</param>
    /// <param name="weights">See <see cref="WeightStrides"/>.</param>
    /// <param name="bias">[field channels]; null for none.</param>
    /// <param name="image">[rows, pixels, image channels].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="field">[rows, positions, field channels], overwritten.</param>
    public static void Forward(
        SimdWidth width, ComputePool pool, ConvolutionGeometry geometry, in LayerScratch scratch,
        float* weights, float* bias, float* image, int rows, float* field) =>
        Gather(
            width, pool, geometry, isBackward: false, scratch, weights, bias, image, rows, field);

    /// <summary>Image of a field: element (pixel, c) is the chain over (kh, kw, o) of field·w, over
    /// the taps that see the pixel from a window, windows past the field's border counting as +0;
    /// o in the group of c; and then + bias.</summary>
    /// <param name="width">Floats in a vector.</param>
    /// <param name="pool">The threads that share the rows.</param>
    /// <param name="geometry">The sizes.</param>
    /// <param name="scratch">Memory, of the geometry's sizes at least.</param>
    /// <param name="weights">See <see cref="WeightStrides"/>.</param>
    /// <param name="bias">[image channels]; null for none.</param>
    /// <param name="field">[rows, positions, field channels].</param>
    /// <param name="rows">Rows.</param>
    /// <param name="image">[rows, pixels, image channels], overwritten.</param>
    public static void Backward(
        SimdWidth width, ComputePool pool, ConvolutionGeometry geometry, in LayerScratch scratch,
        float* weights, float* bias, float* field, int rows, float* image) =>
        Gather(
            width, pool, geometry, isBackward: true, scratch, weights, bias, field, rows, image);

    /// <summary>Weight gradient of one gradient-tree node: element (tap, c, o) of a micro-batch is
    /// the chain over (row, position) of pixel·field; micro-batches are folded up the tree as
    /// <see cref="MatrixProduct.WeightGradient"/> folds them.</summary>
    /// <param name="width">Floats in a vector.</param>
    /// <param name="pool">The threads that share the weights.</param>
    /// <param name="geometry">The sizes.</param>
    /// <param name="scratch">Memory, of the geometry's sizes at least.</param>
    /// <param name="image">[rows of the batch, pixels, image channels].</param>
    /// <param name="field">[rows of the batch, positions, field channels].</param>
    /// <param name="starts">First row of each micro-batch, and the end of the last.</param>
    /// <param name="gradient">Laid out as the weights, overwritten.</param>
    public static void WeightGradient(
        SimdWidth width, ComputePool pool, ConvolutionGeometry geometry, in LayerScratch scratch,
        float* image, float* field, ReadOnlySpan<int> starts, float* gradient)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(starts.Length, 2);
        fixed (int* first = starts)
        {
            long operations = geometry.Operations * (starts[^1] - starts[0]);
            if (geometry.IsDepthwise)
            {
                var channels = new DepthwiseWeightSum(
                    geometry, scratch, image, field, first, starts.Length - 1, gradient);
                new VectorWork<DepthwiseWeightSum>(width, channels).RunOn(pool, operations);
                return;
            }

            var work = new ConvolutionWeightSum(
                geometry, scratch, image, field, first, starts.Length - 1, gradient);
            work.FillTable();
            new VectorWork<ConvolutionWeightSum>(width, work).RunOn(pool, operations);
        }
    }

    private static void Gather(
        SimdWidth width, ComputePool pool, ConvolutionGeometry geometry, bool isBackward,
        in LayerScratch scratch, float* weights, float* bias, float* source, int rows,
        float* output)
    {
        long operations = geometry.Operations * rows;
        if (geometry.IsDepthwise)
        {
            var channels = new DepthwiseProduct(
                geometry, isBackward, scratch, weights, bias, source, rows, output);
            new VectorWork<DepthwiseProduct>(width, channels).RunOn(pool, operations);
            return;
        }

        var work = new GatheredProduct(
            geometry, isBackward, scratch, bias, source, rows, output);
        work.FillTable();
        var packing = new WeightPacking(work, geometry, isBackward, weights);
        new VectorWork<WeightPacking>(width, packing).Run(0, 1);
        new VectorWork<GatheredProduct>(width, work).RunOn(pool, operations);
    }

    // The weights, as the gathered product reads them.
    private readonly struct WeightPacking(
        GatheredProduct product, ConvolutionGeometry geometry, bool isBackward, float* weights)
        : IVectorWork
    {
        private readonly float* _weights = weights;

        public void Run<TVector, TSimd>(int part, int parts)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            WeightStrides strides = geometry.Weights;
            StridedMatrix matrix = isBackward
                ? new(_weights, strides.Field, strides.Image)
                : new(_weights, strides.Image, strides.Field);
            product.Pack<TVector, TSimd>(
                matrix, strides.Tap, strides.Group, geometry.Columns.Kernel);
        }
    }
}
