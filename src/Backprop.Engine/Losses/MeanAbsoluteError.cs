using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>The mean over outputs of |output − target|; its gradient where they are equal is 0.
/// </summary>
public sealed record MeanAbsoluteError : ElementLoss
{
    /// <inheritdoc/>
    public override string Name => "mean-absolute-error";

    private protected override bool IsMean => true;

    /// <inheritdoc/>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient) =>
        Compute(
            default(MeanAbsoluteErrorElement), pool, outputs, targets, rows, width, scale,
            rowLosses, gradient);

    private protected override double ReferenceElement(double output, double target) =>
        Math.Abs(output - target);
}

/// <summary>The kernel of <see cref="MeanAbsoluteError"/>.</summary>
internal readonly struct MeanAbsoluteErrorElement : IElementLoss
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Abs(TSimd.Subtract(output, target));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector difference = TSimd.Subtract(output, target);
        TVector sign = TSimd.CopySign(TSimd.Create(1), difference);
        return TSimd.SelectEqual(difference, TSimd.Zero, TSimd.Zero, sign);
    }
}
