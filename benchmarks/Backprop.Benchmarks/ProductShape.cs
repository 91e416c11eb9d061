using Backprop.Engine;
using Backprop.Engine.Kernels;
using Backprop.Engine.Threading;

namespace Backprop.Benchmarks;

/// <summary>Which of the three products.</summary>
public enum ProductKind
{
    /// <summary>a·b: the forward pass.</summary>
    Forward,

    /// <summary>a·bᵀ: the input's gradient.</summary>
    InputGradient,

    /// <summary>aᵀ·b: the weights' gradient.</summary>
    WeightGradient,
}

/// <summary>A product that is measured: c is [M, N], its chains K long.</summary>
/// <param name="Kind">Which product.</param>
/// <param name="M">Rows of c.</param>
/// <param name="N">Columns of c.</param>
/// <param name="K">Length of a chain.</param>
/// <param name="MicroBatches">Pieces of K that are folded; 1 except for weight gradients.</param>
public readonly record struct ProductShape(
    ProductKind Kind, int M, int N, int K, int MicroBatches = 1)
{
    /// <summary>Floating-point operations; folding is not counted, since it is overhead.</summary>
    public double Operations => 2.0 * M * N * K;

    /// <summary>The layers of an MLP at common batch sizes, then squares and slivers.</summary>
    public static IReadOnlyList<ProductShape> All { get; } =
    [
        new(ProductKind.Forward, 64, 512, 784),
        new(ProductKind.Forward, 64, 512, 512),
        new(ProductKind.Forward, 64, 10, 512),
        new(ProductKind.WeightGradient, 784, 512, 64),
        new(ProductKind.WeightGradient, 784, 512, 64, 4),
        new(ProductKind.WeightGradient, 784, 512, 64, 8),
        new(ProductKind.WeightGradient, 512, 512, 64),
        new(ProductKind.WeightGradient, 512, 512, 64, 8),
        new(ProductKind.WeightGradient, 512, 10, 64),
        new(ProductKind.WeightGradient, 512, 10, 64, 8),
        new(ProductKind.WeightGradient, 784, 512, 256, 8),
        new(ProductKind.InputGradient, 64, 512, 512),
        new(ProductKind.InputGradient, 64, 784, 512),
        new(ProductKind.InputGradient, 64, 512, 10),
        new(ProductKind.Forward, 128, 1024, 1024),
        new(ProductKind.InputGradient, 128, 1024, 1024),
        new(ProductKind.WeightGradient, 1024, 1024, 128),
        new(ProductKind.WeightGradient, 1024, 1024, 128, 8),
        new(ProductKind.Forward, 256, 256, 256),
        new(ProductKind.InputGradient, 256, 256, 256),
        new(ProductKind.WeightGradient, 256, 256, 256),
        new(ProductKind.WeightGradient, 256, 256, 256, 8),
        new(ProductKind.Forward, 32, 128, 128),
        new(ProductKind.InputGradient, 32, 128, 128),
        new(ProductKind.WeightGradient, 128, 128, 32),
        new(ProductKind.Forward, 512, 2048, 512),
        new(ProductKind.InputGradient, 512, 512, 2048),
        new(ProductKind.WeightGradient, 512, 2048, 512),
        new(ProductKind.Forward, 1024, 1024, 1024),
        new(ProductKind.Forward, 2048, 2048, 2048),
        new(ProductKind.Forward, 16, 64, 64),
        new(ProductKind.InputGradient, 16, 64, 64),
        new(ProductKind.WeightGradient, 64, 64, 16),
        new(ProductKind.Forward, 1, 512, 512),
        new(ProductKind.Forward, 37, 100, 75),
    ];
}

/// <summary>A product with its operands, ready to run.</summary>
public sealed unsafe class ProductRun : IDisposable
{
    private readonly ProductShape _shape;
    private readonly int[] _starts;
    private readonly AlignedBuffer _a;
    private readonly AlignedBuffer _b;
    private readonly AlignedBuffer _c;

    /// <summary>Allocates operands of unit size.</summary>
    public ProductRun(ProductShape shape)
    {
        _shape = shape;
        _starts =
        [
            .. Enumerable.Range(0, shape.MicroBatches + 1)
                .Select(m => shape.K * m / shape.MicroBatches),
        ];
        _a = Filled(shape.M * shape.K);
        _b = Filled(shape.N * shape.K);
        _c = new AlignedBuffer(shape.M * shape.N);
    }

    /// <summary>Computes it once.</summary>
    public void Run(ComputePool pool)
    {
        (ProductKind kind, int m, int n, int k, _) = _shape;
        switch (kind)
        {
            case ProductKind.Forward:
                MatrixProduct.Multiply(
                    pool, _a.Pointer, _b.Pointer, null, m, k, n, _c.Pointer);
                break;
            case ProductKind.InputGradient:
                MatrixProduct.MultiplyByTransposed(
                    pool, _a.Pointer, _b.Pointer, m, k, n, _c.Pointer);
                break;
            default:
                MatrixProduct.WeightGradient(
                    pool, _a.Pointer, _b.Pointer, _starts, m, n, _c.Pointer);
                break;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _a.Dispose();
        _b.Dispose();
        _c.Dispose();
    }

    private static AlignedBuffer Filled(int count)
    {
        var buffer = new AlignedBuffer(count);
        for (int i = 0; i < count; i++)
        {
            buffer.Span[i] = i * 2654435761u % 2001 / 1000f - 1;
        }

        return buffer;
    }
}
