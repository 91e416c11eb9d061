using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>
/// RMSProp: s ← α·s + (1 − α)·g², w ← w − η·g / (√s + ε). Tieleman and Hinton, "Lecture 6.5,
/// rmsprop", Coursera 2012; PyTorch's <c>RMSprop</c>, neither centered nor with momentum. State 0
/// is s. PyTorch's default learning rate is 0.01.
/// </summary>
public sealed record RmsProp : Optimizer
{
    /// <summary>α in [0, 1): how much of the mean square a step keeps. Default 0.99, PyTorch's.
    /// </summary>
    public double Alpha { get; init; } = 0.99;

    /// <summary>ε &gt; 0: keeps the quotient finite. Default 1e−8, PyTorch's.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <inheritdoc/>
    public override string Name => "rmsprop";

    /// <inheritdoc/>
    public override int StateCount => Rule.StateCount;

    /// <inheritdoc/>
    internal override void Update(
        SimdWidth width, in OptimizerStep step, in UpdateOperands operands)
    {
        var rule = new Rule(
            step.LearningRate, (float)Alpha, (float)(1 - Alpha), (float)Epsilon);
        ElementwiseUpdate.Run(width, rule, step.GradientScale, operands);
    }

    private readonly struct Rule(float learningRate, float kept, float added, float epsilon)
        : IUpdateRule
    {
        public static int StateCount => 1;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Step<TVector, TSimd>(
            TVector gradient, TVector weight, ref TVector first, ref TVector second)
            where TVector : struct
            where TSimd : struct, ISimd<TVector>
        {
            TVector square = TSimd.Multiply(gradient, gradient);
            first = TSimd.FusedMultiplyAdd(
                TSimd.Create(kept), first, TSimd.Multiply(TSimd.Create(added), square));
            TVector root = TSimd.Add(TSimd.SquareRoot(first), TSimd.Create(epsilon));
            return TSimd.FusedMultiplyAdd(
                TSimd.Create(-learningRate), TSimd.Divide(gradient, root), weight);
        }
    }
}
