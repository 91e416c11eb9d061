using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Kernels;

/// <summary>The products of a convolution at every width and thread count give the bits of the
/// plain loops.</summary>
public sealed unsafe class ConvolutionTests
{
    private const int Rows = 5;

    private static readonly int[] s_starts = [0, 2, 2, 3, 5];

    /// <summary>Image, channels in and out, kernel, stride, dilation, padding, groups.</summary>
    public static TheoryData<string, int[]> Cases => new()
    {
        { "one channel, 3x3", [9, 11, 1, 7, 3, 3, 1, 1, 1, 1, 1, 1, 1] },
        { "one channel, 3x3, wide", [6, 30, 1, 33, 3, 3, 1, 1, 1, 1, 0, 0, 1] },
        { "one channel, 5x5", [8, 9, 1, 4, 5, 5, 1, 1, 1, 1, 2, 2, 1] },
        { "one channel, 3x3, dilated", [9, 10, 1, 5, 3, 3, 1, 1, 2, 3, 2, 3, 1] },
        { "several channels", [7, 6, 5, 37, 3, 3, 1, 1, 1, 1, 1, 1, 1] },
        { "many filters", [4, 5, 3, 70, 2, 3, 1, 1, 1, 1, 0, 1, 1] },
        { "stride 2", [9, 8, 3, 6, 3, 3, 2, 2, 1, 1, 1, 1, 1] },
        { "stride beyond the kernel", [11, 9, 2, 5, 2, 1, 3, 4, 1, 1, 0, 0, 1] },
        { "stride and dilation", [13, 12, 2, 3, 3, 2, 2, 3, 2, 4, 3, 1, 1] },
        { "stride 4, dilation 2", [14, 14, 2, 3, 3, 3, 4, 4, 2, 2, 4, 4, 1] },
        { "groups", [6, 7, 6, 9, 3, 3, 1, 1, 1, 1, 1, 1, 3] },
        { "wide groups", [5, 5, 4, 72, 3, 1, 1, 2, 1, 1, 0, 0, 2] },
        { "dilated groups", [7, 8, 4, 4, 3, 3, 1, 1, 2, 2, 2, 2, 2] },
        { "depthwise", [6, 7, 21, 21, 3, 3, 1, 1, 1, 1, 1, 1, 21] },
        { "depthwise, stride 2", [7, 9, 35, 35, 3, 2, 2, 3, 1, 2, 1, 0, 35] },
        { "one channel a group, two filters", [5, 6, 4, 8, 3, 3, 1, 1, 1, 1, 1, 1, 4] },
        { "1x1", [5, 6, 7, 9, 1, 1, 1, 1, 1, 1, 0, 0, 1] },
        { "a sequence", [1, 40, 3, 8, 1, 5, 1, 2, 1, 1, 0, 2, 1] },
        { "a long sequence", [1, 1500, 2, 3, 1, 3, 1, 1, 1, 1, 0, 1, 1] },
        { "more rows than a block", [60, 40, 1, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1] },
        { "the whole image", [4, 4, 3, 5, 4, 4, 1, 1, 1, 1, 0, 0, 1] },
        { "shared by threads", [12, 13, 16, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1] },
        { "one tile for all threads", [40, 40, 1, 32, 3, 3, 1, 1, 1, 1, 1, 1, 1] },
        { "depthwise, shared by threads", [30, 30, 45, 45, 3, 3, 1, 1, 1, 1, 1, 1, 45] },
        { "mostly padding", [2, 2, 3, 5, 5, 5, 1, 1, 1, 1, 4, 4, 1] },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Forward_equals_the_reference_to_the_last_bit(string name, int[] sizes)
    {
        foreach (ConvolutionGeometry g in GeometriesOf(sizes))
        {
            using var operands = new Operands(g);
            using AlignedBuffer expected = new(Rows * g.Positions * g.FieldChannels);
            ReferenceConvolution.Forward(
                g, operands.Weights, operands.Bias, operands.Image, Rows, expected.Pointer);
            operands.AssertAllGive(expected, name, (width, pool, scratch, to) =>
                Convolution.Forward(
                    width, pool, g, scratch, operands.Weights, operands.Bias, operands.Image,
                    Rows, to));
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Backward_equals_the_reference_to_the_last_bit(string name, int[] sizes)
    {
        foreach (ConvolutionGeometry g in GeometriesOf(sizes))
        {
            using var operands = new Operands(g);
            using AlignedBuffer expected = new(Rows * g.Pixels * g.ImageChannels);
            ReferenceConvolution.Backward(
                g, operands.Weights, null, operands.Field, Rows, expected.Pointer);
            operands.AssertAllGive(expected, name, (width, pool, scratch, to) =>
                Convolution.Backward(
                    width, pool, g, scratch, operands.Weights, null, operands.Field, Rows, to));
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void WeightGradient_equals_the_reference_to_the_last_bit(string name, int[] sizes)
    {
        foreach (ConvolutionGeometry g in GeometriesOf(sizes))
        {
            using var operands = new Operands(g);
            using AlignedBuffer expected = new(g.Taps * g.ImageGroup * g.FieldChannels);
            ReferenceConvolution.WeightGradient(
                g, operands.Image, operands.Field, s_starts, expected.Pointer);
            operands.AssertAllGive(expected, name, (width, pool, scratch, to) =>
                Convolution.WeightGradient(
                    width, pool, g, scratch, operands.Image, operands.Field, s_starts, to));
        }
    }

    [Fact]
    public void Micro_batches_fold_up_the_tree_however_many_there_are()
    {
        ConvolutionGeometry g = GeometriesOf([3, 3, 2, 3, 2, 2, 1, 1, 1, 1, 0, 0, 1]).First();
        using var operands = new Operands(g, rows: 20, microBatches: 20);
        for (int count = 1; count <= 17; count++)
        {
            int[] starts = [.. Enumerable.Range(0, count + 1).Select(m => 20 * m / count)];
            using AlignedBuffer expected = new(g.Taps * g.ImageGroup * g.FieldChannels);
            ReferenceConvolution.WeightGradient(
                g, operands.Image, operands.Field, starts, expected.Pointer);
            operands.AssertAllGive(expected, $"{count} micro-batches", (width, pool, s, to) =>
                Convolution.WeightGradient(
                    width, pool, g, s, operands.Image, operands.Field, starts, to));
        }
    }

    // The same sizes with weights as a convolution has them, and as a transposed one does.
    private static IEnumerable<ConvolutionGeometry> GeometriesOf(int[] s)
    {
        var rows = new WindowAxis(s[0], s[4], s[6], s[8], s[10], s[10]);
        var columns = new WindowAxis(s[1], s[5], s[7], s[9], s[11], s[11]);
        (int image, int field, int groups) = (s[2], s[3], s[12]);
        yield return new ConvolutionGeometry(
            rows, columns, image, field, groups,
            new WeightStrides(image / groups * field, field, 1, field / groups));
        yield return new ConvolutionGeometry(
            rows, columns, image, field, groups,
            new WeightStrides(field / groups * image, 1, image, image / groups));
    }

    private delegate void Compute(
        SimdWidth width, ComputePool pool, LayerScratch scratch, float* destination);

    private sealed class Operands : IDisposable
    {
        private const int MaxThreads = 3;

        private readonly ProductVariants _variants = new();
        private readonly List<AlignedBuffer> _buffers = [];
        private readonly AlignedBuffer _shared;
        private readonly AlignedBuffer _perThread;
        private readonly nint _threadFloats;

        public Operands(ConvolutionGeometry g, int rows = Rows, int microBatches = 4)
        {
            Weights = Create(g.Taps * g.ImageGroup * g.FieldChannels, 1);
            Bias = Create(g.FieldChannels, 2);
            Image = Create(rows * g.Pixels * g.ImageChannels, 3);
            Field = Create(rows * g.Positions * g.FieldChannels, 4);

            // Of any content, as another layer left it.
            _threadFloats = (nint)g.ThreadFloats;
            _shared = ProductOperands.Create((int)g.SharedFloats(microBatches), 5);
            _perThread = ProductOperands.Create(MaxThreads * (int)_threadFloats, 6);
        }

        public float* Weights { get; }

        public float* Bias { get; }

        public float* Image { get; }

        public float* Field { get; }

        public void AssertAllGive(AlignedBuffer expected, string what, Compute compute)
        {
            var scratch = new LayerScratch(_shared.Pointer, _perThread.Pointer, _threadFloats);
            _variants.AssertAllGive(
                expected, what, (width, pool, to) => compute(width, pool, scratch, to.Pointer));
        }

        public void Dispose()
        {
            _variants.Dispose();
            _shared.Dispose();
            _perThread.Dispose();
            _buffers.ForEach(buffer => buffer.Dispose());
        }

        private float* Create(int count, uint seed)
        {
            _buffers.Add(ProductOperands.Create(count, seed));
            return _buffers[^1].Pointer;
        }
    }
}
