using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Stochastic gradient descent: w ← w − η·g. Robbins and Monro, "A stochastic approximation
/// method", 1951. Classical weight decay is <see cref="Penalty.L2"/>.
/// </summary>
public sealed record Sgd : Optimizer
{
    /// <inheritdoc/>
    public override string Name => "sgd";

    /// <inheritdoc/>
    public override int StateCount => Rule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands) =>
        ElementwiseUpdate.Run(width, new Rule(step.LearningRate), step.GradientScale, operands);

    private readonly struct Rule(float learningRate) : IUpdateRule
    {
        public static int StateCount => 0;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Step<TVector, TSimd>(
            TVector gradient, TVector weight, ref TVector first, ref TVector second)
            where TVector : struct
            where TSimd : struct, ISimd<TVector> =>
            TSimd.FusedMultiplyAdd(TSimd.Create(-learningRate), gradient, weight);
    }
}
