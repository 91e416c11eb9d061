using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Adam: m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g², w ← w − η·m̂ / (√v̂ + ε)
/// with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ). Kingma and Ba, "Adam: a method for stochastic
/// optimization", ICLR 2015, algorithm 1. States are m and v. PyTorch's default learning rate is
/// 0.001.
/// </summary>
public sealed record Adam : Optimizer
{
    /// <summary>β₁ in [0, 1): how much of the mean gradient a step keeps. Default 0.9, PyTorch's.
    /// </summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂ in [0, 1): how much of the mean square a step keeps. Default 0.999, PyTorch's.
    /// </summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε &gt; 0: keeps the quotient finite. Default 1e−8, PyTorch's.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <inheritdoc/>
    public override string Name => "adam";

    /// <inheritdoc/>
    public override int StateCount => AdamRule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands)
    {
        var rule = new AdamRule(step, Beta1, Beta2, Epsilon, weightDecay: 0);
        ElementwiseUpdate.Run(width, rule, step.GradientScale, operands);
    }
}
