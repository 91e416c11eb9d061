using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>Every element the same: what biases start from (0) and what scales start from (1).
/// Weights must not, as neurons that start alike stay alike.</summary>
/// <param name="Value">The value.</param>
public sealed record Constant(float Value) : Initializer
{
    /// <summary>All elements 0.</summary>
    public static Constant Zeros { get; } = new(0f);

    /// <summary>All elements 1.</summary>
    public static Constant Ones { get; } = new(1f);

    /// <inheritdoc/>
    public override void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination) =>
        destination.Fill(Value);
}
