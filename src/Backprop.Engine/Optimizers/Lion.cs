using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Lion: w ← (1 − η·λ)·w − η·sign(β₁·m + (1 − β₁)·g), then m ← β₂·m + (1 − β₂)·g, with
/// sign(0) = 0. Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2.
/// State 0 is m. The paper's learning rates are 3 to 10 times smaller than AdamW's; the authors'
/// code has 0.0001 as default.
/// </summary>
public sealed record Lion : Optimizer
{
    /// <summary>β₁ in [0, 1): weight of the mean gradient in the step's sign. Default 0.9, the
    /// paper's.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>β₂ in [0, 1): how much of the mean gradient a step keeps. Default 0.99, the
    /// paper's.
    /// </summary>
    public double Beta2 { get; init; } = 0.99;

    /// <summary>λ ≥ 0: the part of the weight, times η, that a step takes away. Default 0, the
    /// authors' code's.</summary>
    public double WeightDecay { get; init; }

    /// <inheritdoc/>
    public override string Name => "lion";

    /// <inheritdoc/>
    public override int StateCount => Rule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands)
    {
        var rule = new Rule(step.LearningRate, Beta1, Beta2, step.DecayOf(WeightDecay));
        ElementwiseUpdate.Run(width, rule, step.GradientScale, operands);
    }

    private readonly struct Rule(
        float learningRate, double beta1, double beta2, double weightDecay) : IUpdateRule
    {
        private readonly float _learningRate = learningRate;
        private readonly float _oldInSign = (float)beta1, _newInSign = (float)(1 - beta1);
        private readonly float _kept = (float)beta2, _added = (float)(1 - beta2);
        private readonly float _shrink = (float)(1 - learningRate * weightDecay);

        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Step<TVector, TSimd>(
            TVector gradient, TVector weight, ref TVector first, ref TVector second)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            TVector direction = TSimd.FusedMultiplyAdd(
                TSimd.Create(_oldInSign), first,
                TSimd.Multiply(TSimd.Create(_newInSign), gradient));
            TVector sign = TSimd.SelectEqual(
                direction, TSimd.Zero, TSimd.Zero, TSimd.CopySign(TSimd.Create(1), direction));
            first = TSimd.FusedMultiplyAdd(
                TSimd.Create(_kept), first, TSimd.Multiply(TSimd.Create(_added), gradient));
            return TSimd.FusedMultiplyAdd(
                TSimd.Create(-_learningRate), sign, TSimd.Multiply(TSimd.Create(_shrink), weight));
        }
    }
}
