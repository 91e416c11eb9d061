using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Kernels;

/// <summary>Every product at every width and thread count gives the bits of the plain loops.
/// </summary>
public sealed unsafe class MatrixProductTests
{
    // Rows, inner, columns: every tile height, every tail, chains cut by blocking, shapes that are
    // packed and shapes that are not, shapes that threads share by rows and by columns.
    private static readonly (int Rows, int Inner, int Columns)[] Shapes =
    [
        .. Enumerable.Range(1, 40).Select(n => (n, 7, 41 - n)),
        .. Enumerable.Range(1, 40).Select(n => (5, n, 33 + n)),
        (1, 1, 1), (1, 512, 1), (1, 300, 200), (200, 300, 1), (3, 0, 5), (0, 3, 5), (3, 5, 0),
        (64, 385, 64), (2, 769, 33), (300, 20, 300), (257, 40, 65), (15, 64, 1024),
        (170, 390, 36), (33, 5, 1061), (64, 128, 128), (512, 64, 10), (16, 200, 150),
        (128, 200, 520), (20, 1024, 70), (600, 6, 129),
    ];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Multiply_equals_the_reference_to_the_last_bit(bool withBias)
    {
        using var variants = new ProductVariants();
        foreach ((int rows, int inner, int columns) in Shapes)
        {
            using AlignedBuffer a = ProductOperands.Create(rows * inner, 1);
            using AlignedBuffer b = ProductOperands.Create(inner * columns, 2);
            using AlignedBuffer bias = ProductOperands.Create(columns, 3);
            float* biasOrNone = withBias ? bias.Pointer : null;
            using AlignedBuffer expected = new(rows * columns);
            ReferenceMatrixProduct.Multiply(
                a.Pointer, b.Pointer, biasOrNone, rows, inner, columns, expected.Pointer);
            variants.AssertAllGive(
                expected, $"{rows},{inner},{columns}",
                (width, pool, c) => ProductAtWidth.Multiply(
                    width, pool, a.Pointer, b.Pointer, withBias ? bias.Pointer : null, rows,
                    inner, columns, c.Pointer));
        }
    }

    [Fact]
    public void MultiplyByTransposed_equals_the_reference_to_the_last_bit()
    {
        using var variants = new ProductVariants();
        foreach ((int rows, int inner, int columns) in Shapes)
        {
            using AlignedBuffer a = ProductOperands.Create(rows * inner, 4);
            using AlignedBuffer b = ProductOperands.Create(columns * inner, 5);
            using AlignedBuffer expected = new(rows * columns);
            ReferenceMatrixProduct.MultiplyByTransposed(
                a.Pointer, b.Pointer, rows, inner, columns, expected.Pointer);
            variants.AssertAllGive(
                expected, $"{rows},{inner},{columns}",
                (width, pool, c) => ProductAtWidth.MultiplyByTransposed(
                    width, pool, a.Pointer, b.Pointer, rows, inner, columns, c.Pointer));
        }
    }

    [Fact]
    public void WeightGradient_equals_the_reference_to_the_last_bit()
    {
        using var variants = new ProductVariants();
        foreach ((int[] starts, int inputs, int outputs) in GradientCases())
        {
            using AlignedBuffer input = ProductOperands.Create(starts[^1] * inputs, 6);
            using AlignedBuffer errors = ProductOperands.Create(starts[^1] * outputs, 7);
            using AlignedBuffer expected = new(inputs * outputs);
            ReferenceMatrixProduct.WeightGradient(
                input.Pointer, errors.Pointer, starts, inputs, outputs, expected.Pointer);
            variants.AssertAllGive(
                expected, $"[{string.Join(' ', starts)}] {inputs},{outputs}",
                (width, pool, gradient) => ProductAtWidth.WeightGradient(
                    width, pool, input.Pointer, errors.Pointer, starts, inputs, outputs,
                    gradient.Pointer));
        }
    }

    [Fact]
    public void BiasGradient_equals_the_reference_to_the_last_bit()
    {
        using var variants = new ProductVariants();
        foreach ((int[] starts, _, int outputs) in GradientCases())
        {
            using AlignedBuffer errors = ProductOperands.Create(starts[^1] * outputs, 8);
            using AlignedBuffer expected = new(outputs);
            ReferenceMatrixProduct.BiasGradient(
                errors.Pointer, starts, outputs, expected.Pointer);
            variants.AssertAllGive(
                expected, $"[{string.Join(' ', starts)}] {outputs}",
                (width, pool, gradient) => ProductAtWidth.BiasGradient(
                    width, pool, errors.Pointer, starts, outputs, gradient.Pointer));
        }
    }

    [Fact]
    public void An_underflown_negative_zero_survives_only_where_nothing_is_folded_onto_it()
    {
        using var pool = new ComputePool(1);
        using AlignedBuffer tiny = new(4);
        using AlignedBuffer negative = new(4);
        tiny.Span.Fill(1e-30f);
        negative.Span.Fill(-1e-30f);
        using AlignedBuffer gradient = new(1);
        foreach (SimdWidth width in SimdWidths.All)
        {
            // One row: the chain fma(tiny, -tiny, +0) underflows to -0.
            ProductAtWidth.WeightGradient(
                width, pool, tiny.Pointer, negative.Pointer, [0, 1], 1, 1, gradient.Pointer);
            Assert.Equal(-0f, gradient.Span[0]);
            Assert.True(float.IsNegative(gradient.Span[0]));

            // An empty micro-batch beside it contributes +0, and -0 + +0 is +0.
            ProductAtWidth.WeightGradient(
                width, pool, tiny.Pointer, negative.Pointer, [0, 1, 1], 1, 1, gradient.Pointer);
            Assert.False(float.IsNegative(gradient.Span[0]));

            // Two such micro-batches: -0 + -0 is -0.
            ProductAtWidth.WeightGradient(
                width, pool, tiny.Pointer, negative.Pointer, [0, 1, 2], 1, 1, gradient.Pointer);
            Assert.True(float.IsNegative(gradient.Span[0]));
        }
    }

    [Fact]
    public void Products_agree_with_double_precision()
    {
        const int Rows = 61, Inner = 400, Columns = 77;
        using var pool = new ComputePool(2);
        using AlignedBuffer a = ProductOperands.Create(Rows * Inner, 9);
        using AlignedBuffer b = ProductOperands.Create(Inner * Columns, 10);
        using AlignedBuffer c = new(Rows * Columns);
        MatrixProduct.Multiply(pool, a.Pointer, b.Pointer, null, Rows, Inner, Columns, c.Pointer);
        for (int row = 0; row < Rows; row++)
        {
            for (int column = 0; column < Columns; column++)
            {
                double sum = 0, magnitude = 0;
                for (int k = 0; k < Inner; k++)
                {
                    double product =
                        (double)a.Span[row * Inner + k] * b.Span[k * Columns + column];
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                // A chain of n roundings errs by n half units in the last place of |a|·|b|.
                double bound = Inner * Math.ScaleB(1, -24) * magnitude;
                Assert.InRange(c.Span[row * Columns + column], sum - bound, sum + bound);
            }
        }
    }

    [Fact]
    public void Nothing_is_allocated_once_the_scratch_has_grown()
    {
        using var pool = new ComputePool(2);
        int[] starts = [0, 60, 120, 180, 240, 300];
        const int Rows = 300, Inputs = 400, Outputs = 390;
        using AlignedBuffer input = ProductOperands.Create(Rows * Inputs, 11);
        using AlignedBuffer weights = ProductOperands.Create(Inputs * Outputs, 12);
        using AlignedBuffer output = new(Rows * Outputs);
        using AlignedBuffer gradient = new(Inputs * Outputs);
        using AlignedBuffer inputGradient = new(Rows * Inputs);

        void Step()
        {
            MatrixProduct.Multiply(
                pool, input.Pointer, weights.Pointer, null, Rows, Inputs, Outputs,
                output.Pointer);
            MatrixProduct.WeightGradient(
                pool, input.Pointer, output.Pointer, starts, Inputs, Outputs, gradient.Pointer);
            MatrixProduct.BiasGradient(pool, output.Pointer, starts, Outputs, gradient.Pointer);
            MatrixProduct.MultiplyByTransposed(
                pool, output.Pointer, weights.Pointer, Rows, Outputs, Inputs,
                inputGradient.Pointer);
            MatrixProduct.MultiplyByTransposed(
                pool, output.Pointer, weights.Pointer, 10, Outputs, Inputs,
                inputGradient.Pointer);
        }

        Assert.Equal(0, Allocations.OfSteadyState(Step));
    }

    [Fact]
    public void A_weight_gradient_has_one_micro_batch_at_least()
    {
        using var pool = new ComputePool(1);
        using AlignedBuffer buffer = new(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => MatrixProduct.WeightGradient(
            pool, buffer.Pointer, buffer.Pointer, [0], 1, 1, buffer.Pointer));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatrixProduct.BiasGradient(
            pool, buffer.Pointer, [0], 1, buffer.Pointer));
    }

    private static IEnumerable<(int[] Starts, int Inputs, int Outputs)> GradientCases()
    {
        // Every number of micro-batches to 17, of one to three rows, some empty, at a small size.
        for (int count = 1; count <= 17; count++)
        {
            yield return (Starts(0, Enumerable.Range(0, count).Select(m => m % 4)), 3, 35);
            yield return (Starts(2, Enumerable.Range(0, count).Select(m => 1 + m % 3)), 15, 11);
        }

        yield return (Starts(0, Enumerable.Repeat(0, 5)), 4, 4);
        yield return (Starts(0, Enumerable.Repeat(1, 100)), 6, 70);
        yield return (Starts(3, Enumerable.Repeat(16, 8)), 50, 200);
        yield return (Starts(0, Enumerable.Repeat(13, 5)), 300, 150);
        yield return (Starts(1, Enumerable.Repeat(40, 3)), 270, 36);
        yield return (Starts(0, Enumerable.Repeat(400, 3)), 40, 40);
        yield return (Starts(0, [500]), 20, 30);
        yield return (Starts(0, Enumerable.Repeat(3000, 3)), 29, 130);
        yield return (Starts(0, [4, 4, 4]), 0, 5);
        yield return (Starts(0, [4, 4, 4]), 5, 0);
        yield return (Starts(0, [9, 0, 7]), 1, 1);
    }

    private static int[] Starts(int first, IEnumerable<int> sizes)
    {
        var starts = new List<int> { first };
        foreach (int size in sizes)
        {
            starts.Add(starts[^1] + size);
        }

        return [.. starts];
    }
}
