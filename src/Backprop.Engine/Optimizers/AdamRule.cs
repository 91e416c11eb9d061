using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>The step that <see cref="Adam"/> and <see cref="AdamW"/> share; without decay the
/// shrinking factor is 1, and multiplying by it changes no bit.</summary>
internal readonly struct AdamRule : IUpdateRule
{
    private readonly float _keptMean, _addedMean, _keptSquare, _addedSquare;
    private readonly float _stepSize, _inverseRootCorrection, _epsilon, _shrink;

    /// <summary>The constants of one step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="beta1">β₁.</param>
    /// <param name="beta2">β₂.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="weightDecay">λ; 0 for none.</param>
    public AdamRule(
        in OptimizerStep step, double beta1, double beta2, double epsilon, double weightDecay)
    {
        double correction1 = 1 - ExactMath.Pow(beta1, step.Step + 1);
        double correction2 = 1 - ExactMath.Pow(beta2, step.Step + 1);
        _keptMean = (float)beta1;
        _addedMean = (float)(1 - beta1);
        _keptSquare = (float)beta2;
        _addedSquare = (float)(1 - beta2);
        _stepSize = (float)(step.LearningRate / correction1);
        _inverseRootCorrection = (float)(1 / Math.Sqrt(correction2));
        _epsilon = (float)epsilon;
        _shrink = (float)(1 - step.LearningRate * weightDecay);
    }

    /// <inheritdoc/>
    public static int StateCount => 2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Step<TVector, TSimd>(
        TVector gradient, TVector weight, ref TVector first, ref TVector second)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector square = TSimd.Multiply(gradient, gradient);
        first = TSimd.FusedMultiplyAdd(
            TSimd.Create(_keptMean), first, TSimd.Multiply(TSimd.Create(_addedMean), gradient));
        second = TSimd.FusedMultiplyAdd(
            TSimd.Create(_keptSquare), second, TSimd.Multiply(TSimd.Create(_addedSquare), square));
        TVector root = TSimd.FusedMultiplyAdd(
            TSimd.SquareRoot(second), TSimd.Create(_inverseRootCorrection),
            TSimd.Create(_epsilon));
        return TSimd.FusedMultiplyAdd(
            TSimd.Create(-_stepSize), TSimd.Divide(first, root),
            TSimd.Multiply(TSimd.Create(_shrink), weight));
    }
}
