namespace Backprop.Engine.Optimizers;

/// <summary>Penalties on the size of the weights, part of the objective: L1·Σ|w| + ½·L2·Σw², over
/// parameters of the role Weight; their gradient is added before clipping.</summary>
/// <param name="L1">Factor of the absolute values; 0 for none.</param>
/// <param name="L2">Factor of the halved squares; 0 for none.</param>
public sealed record Penalty(float L1, float L2)
{
    /// <summary>No penalty.</summary>
    public static Penalty None { get; } = new(0, 0);

    /// <summary>Whether there is nothing to add.</summary>
    public bool IsNone => L1 == 0 && L2 == 0;
}

/// <summary>Limits on the gradient, applied after penalties and before the optimizer: first each
/// element by value, then the whole by its norm.</summary>
/// <param name="ByValue">Elements are clamped to [−ByValue, ByValue]; null: not.</param>
/// <param name="ByNorm">The gradient is scaled down to this global L2 norm; null: not.</param>
public sealed record Clipping(float? ByValue, float? ByNorm)
{
    /// <summary>No clipping.</summary>
    public static Clipping None { get; } = new(null, null);

    /// <summary>What the gradient is multiplied by: min(1, ByNorm / (norm + 1e−6)), as PyTorch's
    /// <c>clip_grad_norm_</c>; 1 without a limit. Pascanu, Mikolov and Bengio, "On the difficulty
    /// of training recurrent neural networks", ICML 2013.</summary>
    /// <param name="norm">The L2 norm of the whole gradient.</param>
    public float ScaleFor(double norm)
    {
        const double Epsilon = 1e-6;
        return ByNorm is { } limit ? (float)Math.Min(1, limit / (norm + Epsilon)) : 1;
    }
}
