using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>
/// The mean over outputs of −(t·ln o + (1 − t)·ln(1 − o)) on outputs that are probabilities
/// already, such as those of a sigmoid layer (the fourth article's network). Both logarithms are
/// limited to −100 from below, and the divisor of the gradient (o − t) / (o·(1 − o)) to 10⁻¹², as
/// PyTorch's BCELoss does. <see cref="BinaryCrossEntropy"/> on logits is the better conditioned.
/// An output outside [0, 1] gives NaN.
/// </summary>
public sealed record BinaryCrossEntropyOnProbabilities : ElementLoss
{
    /// <summary>What both logarithms are limited to from below.</summary>
    internal const float LowestLog = -100;

    /// <inheritdoc/>
    public override string Name => "binary-cross-entropy-on-probabilities";

    private protected override bool IsMean => true;

    /// <inheritdoc/>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient) =>
        Compute(
            default(BinaryCrossEntropyOnProbabilitiesElement), pool, outputs, targets, rows, width,
            scale, rowLosses, gradient);

    private protected override double ReferenceElement(double output, double target)
    {
        double log = Math.Max(ExactMath.Log(output), LowestLog);
        double logOfRest = Math.Max(ExactMath.Log1p(-output), LowestLog);
        return -((target * log) + ((1 - target) * logOfRest));
    }
}

/// <summary>The kernel of <see cref="BinaryCrossEntropyOnProbabilities"/>.</summary>
internal readonly struct BinaryCrossEntropyOnProbabilitiesElement : IElementLoss
{
    private const float SmallestDivisor = 1e-12f;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector one = TSimd.Create(1);
        TVector log = Limited<TVector, TSimd>(ElementFunctions.Log<TVector, TSimd>(output));
        TVector logOfRest = Limited<TVector, TSimd>(LogOfRest<TVector, TSimd>(output));
        TVector first = TSimd.Multiply(target, log);
        TVector second = TSimd.Multiply(TSimd.Subtract(one, target), logOfRest);
        return TSimd.Subtract(TSimd.Zero, TSimd.Add(first, second));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector smallest = TSimd.Create(SmallestDivisor), one = TSimd.Create(1);
        TVector divisor = TSimd.Multiply(output, TSimd.Subtract(one, output));
        divisor = TSimd.SelectLess(divisor, smallest, smallest, divisor);
        return TSimd.Divide(TSimd.Subtract(output, target), divisor);
    }

    // NaN stays.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Limited<TVector, TSimd>(TVector log)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector lowest = TSimd.Create(BinaryCrossEntropyOnProbabilities.LowestLog);
        return TSimd.SelectLess(log, lowest, lowest, log);
    }

    // ln(1 − o); what 1 − o loses to rounding is put back to first order.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector LogOfRest<TVector, TSimd>(TVector output)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector one = TSimd.Create(1), zero = TSimd.Zero;
        TVector rest = TSimd.Subtract(one, output);
        TVector lost = TSimd.Subtract(TSimd.Subtract(one, rest), output);
        TVector divisor = TSimd.SelectEqual(rest, zero, one, rest);
        return TSimd.Add(
            ElementFunctions.Log<TVector, TSimd>(rest), TSimd.Divide(lost, divisor));
    }
}
