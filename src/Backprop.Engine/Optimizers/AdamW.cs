using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Adam with decoupled weight decay: w ← (1 − η·λ)·w before <see cref="Adam"/>'s step, for
/// parameters that decay. Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR
/// 2019, algorithm 2, with η·λ as PyTorch has it. States are m and v. PyTorch's default learning
/// rate is 0.001.
/// </summary>
public sealed record AdamW : Optimizer
{
    /// <summary>β₁ in [0, 1): how much of the mean gradient a step keeps. Default 0.9, PyTorch's.
    /// </summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂ in [0, 1): how much of the mean square a step keeps. Default 0.999, PyTorch's.
    /// </summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>ε &gt; 0: keeps the quotient finite. Default 1e−8, PyTorch's.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>λ ≥ 0: the part of the weight, times η, that a step takes away. Default 0.01,
    /// PyTorch's.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <inheritdoc/>
    public override string Name => "adamw";

    /// <inheritdoc/>
    public override int StateCount => AdamRule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands)
    {
        var rule = new AdamRule(step, Beta1, Beta2, Epsilon, step.DecayOf(WeightDecay));
        ElementwiseUpdate.Run(width, rule, step.GradientScale, operands);
    }
}
