using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Nesterov's accelerated gradient: v ← μ·v + g, w ← w − η·(g + μ·v). Nesterov, "A method for
/// solving the convex programming problem with convergence rate O(1/k²)", 1983, in the form of
/// Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML
/// 2013, as PyTorch's <c>SGD(nesterov=True)</c> has it. State 0 is v.
/// </summary>
public sealed record Nesterov : Optimizer
{
    /// <summary>μ in [0, 1): how much of the velocity a step keeps. Default 0.9, as is customary;
    /// PyTorch has no default.</summary>
    public double Factor { get; init; } = 0.9;

    /// <inheritdoc/>
    public override string Name => "nesterov";

    /// <inheritdoc/>
    public override int StateCount => Rule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands) =>
        ElementwiseUpdate.Run(
            width, new Rule(step.LearningRate, (float)Factor), step.GradientScale, operands);

    private readonly struct Rule(float learningRate, float factor) : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Step<TVector, TSimd>(
            TVector gradient, TVector weight, ref TVector first, ref TVector second)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            TVector mu = TSimd.Create(factor);
            first = TSimd.FusedMultiplyAdd(mu, first, gradient);
            TVector lookAhead = TSimd.FusedMultiplyAdd(mu, first, gradient);
            return TSimd.FusedMultiplyAdd(TSimd.Create(-learningRate), lookAhead, weight);
        }
    }
}
