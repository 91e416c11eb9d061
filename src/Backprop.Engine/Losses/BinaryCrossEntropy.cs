using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>
/// The mean over outputs of −(t·ln p + (1 − t)·ln(1 − p)) with p = sigmoid(output): the outputs are
/// logits, any of them, and nothing overflows or cancels. Targets lie in [0, 1]. The gradient is
/// p − t.
/// </summary>
public sealed record BinaryCrossEntropy : ElementLoss
{
    /// <inheritdoc/>
    public override string Name => "binary-cross-entropy";

    private protected override bool IsMean => true;

    /// <inheritdoc/>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient) =>
        Compute(
            default(BinaryCrossEntropyElement), pool, outputs, targets, rows, width, scale,
            rowLosses, gradient);

    private protected override double ReferenceElement(double output, double target) =>
        (target * ExactMath.Softplus(-output)) + ((1 - target) * ExactMath.Softplus(output));
}

/// <summary>The kernel of <see cref="BinaryCrossEntropy"/>.</summary>
internal readonly struct BinaryCrossEntropyElement : IElementLoss
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        // max(x, 0) − x·t is exact for t of 0 and 1; ln(1 + e^−|x|) is what is left.
        TVector zero = TSimd.Zero;
        TVector positive = TSimd.SelectLess(output, zero, zero, output);
        TVector linear = TSimd.FusedMultiplyAdd(TSimd.Subtract(zero, output), target, positive);
        TVector negative = TSimd.CopySign(TSimd.Abs(output), TSimd.Create(-1));
        return TSimd.Add(linear, ElementFunctions.Softplus<TVector, TSimd>(negative));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Subtract(ElementFunctions.Sigmoid<TVector, TSimd>(output), target);
}
