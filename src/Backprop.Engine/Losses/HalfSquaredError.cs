using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>The articles' error of a row: Σ (target − output)² / 2 over outputs; its gradient is
/// output − target.</summary>
public sealed record HalfSquaredError : ElementLoss
{
    /// <inheritdoc/>
    public override string Name => "half-squared-error";

    private protected override bool IsMean => false;

    /// <inheritdoc/>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient) =>
        Compute(
            default(HalfSquaredErrorElement), pool, outputs, targets, rows, width, scale,
            rowLosses, gradient);

    private protected override double ReferenceElement(double output, double target) =>
        0.5 * (output - target) * (output - target);
}

/// <summary>The kernel of <see cref="HalfSquaredError"/>.</summary>
internal readonly struct HalfSquaredErrorElement : IElementLoss
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector difference = TSimd.Subtract(output, target);
        TVector half = TSimd.Multiply(difference, TSimd.Create(0.5f));
        return TSimd.Multiply(half, difference);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Subtract(output, target);
}
