using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// Adagrad: s ← s + g², w ← w − η·g / (√s + ε). Duchi, Hazan and Singer, "Adaptive subgradient
/// methods for online learning and stochastic optimization", JMLR 2011. State 0 is s, from 0.
/// PyTorch's default learning rate is 0.01; its learning-rate decay is a schedule's business here.
/// </summary>
public sealed record Adagrad : Optimizer
{
    /// <summary>ε &gt; 0: keeps the quotient finite. Default 1e−10, PyTorch's.</summary>
    public double Epsilon { get; init; } = 1e-10;

    /// <inheritdoc/>
    public override string Name => "adagrad";

    /// <inheritdoc/>
    public override int StateCount => Rule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands) =>
        ElementwiseUpdate.Run(
            width, new Rule(step.LearningRate, (float)Epsilon), step.GradientScale, operands);

    private readonly struct Rule(float learningRate, float epsilon) : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Step<TVector, TSimd>(
            TVector gradient, TVector weight, ref TVector first, ref TVector second)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            first = TSimd.FusedMultiplyAdd(gradient, gradient, first);
            TVector root = TSimd.Add(TSimd.SquareRoot(first), TSimd.Create(epsilon));
            return TSimd.FusedMultiplyAdd(
                TSimd.Create(-learningRate), TSimd.Divide(gradient, root), weight);
        }
    }
}
