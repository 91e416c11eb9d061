using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Gradient descent with momentum (Polyak's heavy ball): v ← μ·v + g, w ← w − η·v. Polyak, "Some
/// methods of speeding up the convergence of iteration methods", 1964; in the form of PyTorch's
/// <c>SGD</c> without dampening. State 0 is v.
/// </summary>
public sealed record Momentum : Optimizer
{
    /// <summary>μ in [0, 1): how much of the velocity a step keeps. Default 0.9, as is customary;
    /// PyTorch has no default.</summary>
    public double Factor { get; init; } = 0.9;

    /// <inheritdoc/>
    public override string Name => "momentum";

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
            first = TSimd.FusedMultiplyAdd(TSimd.Create(factor), first, gradient);
            return TSimd.FusedMultiplyAdd(TSimd.Create(-learningRate), first, weight);
        }
    }
}
