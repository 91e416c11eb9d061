using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Kernels;

/// <summary>Every way a product can be computed: all widths, on one, two and three threads.
/// </summary>
internal sealed class ProductVariants : IDisposable
{
    private readonly ComputePool[] _pools = [new(1), new(2), new(3)];

    /// <summary>Computes a result every way and fails where one differs from what is expected, by a
    /// bit, or writes past its end.</summary>
    public void AssertAllGive(
        AlignedBuffer expected, string what, Action<SimdWidth, ComputePool, AlignedBuffer> compute)
    {
        foreach (ComputePool pool in _pools)
        {
            foreach (SimdWidth width in SimdWidths.All)
            {
                using AlignedBuffer actual = ProductOperands.CreateDestination(expected.Length);
                compute(width, pool, actual);
                ProductOperands.AssertSame(
                    expected, actual, $"{what} at {width} on {pool.Threads} threads");
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (ComputePool pool in _pools)
        {
            pool.Dispose();
        }
    }
}
