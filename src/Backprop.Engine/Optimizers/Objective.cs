namespace Backprop.Engine.Optimizers;

/// <summary>Penalties on the size of the weights, part of the objective: L1·Σ|w| + ½·L2·Σw², over
/// parameters of the role Weight; their gradient is added before clipping.</summary>
/// <param name="L1">Factor of the absolute values; 0 for none.</param>
/// <param name="L2">Factor of the halved squares; 0 for none.</param>
public sealed record Penalty(float L1, float L2)
{
    /// <summary>No penalty.</summary>
    public static Penalty None { get; } = new(0, 0);
}

/// <summary>Limits on the gradient, applied after penalties and before the optimizer: first each
/// element by value, then the whole by its norm.</summary>
/// <param name="ByValue">Elements are clamped to [−ByValue, ByValue]; null: not.</param>
/// <param name="ByNorm">The gradient is scaled down to this global L2 norm; null: not.</param>
public sealed record Clipping(float? ByValue, float? ByNorm)
{
    /// <summary>No clipping.</summary>
    public static Clipping None { get; } = new(null, null);
}
