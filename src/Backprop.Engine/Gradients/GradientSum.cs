using Backprop.Engine.Kernels;
using Backprop.Engine.Layers;

namespace Backprop.Engine.Gradients;

/// <summary>Adds two nodes of the gradient tree: one IEEE addition an element, so that neither the
/// machine nor the order of the two can change a bit.</summary>
public static unsafe class GradientSum
{
    /// <summary>destination[i] = left[i] + right[i].</summary>
    /// <param name="left">[length].</param>
    /// <param name="right">[length].</param>
    /// <param name="destination">[length], overwritten; may be either of the two.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Add(
        ReadOnlySpan<float> left, ReadOnlySpan<float> right, Span<float> destination)
    {
        if (left.Length != right.Length || left.Length != destination.Length)
        {
            throw new ArgumentException(
                $"{left.Length} and {right.Length} elements cannot be added into"
                + $" {destination.Length}",
                nameof(destination));
        }

        fixed (float* a = left, b = right, to = destination)
        {
            Elementwise.Map(default(Sum), a, b, left.Length, to);
        }
    }
}
