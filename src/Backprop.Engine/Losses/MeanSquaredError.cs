using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>The mean over outputs of (output − target)².</summary>
public sealed record MeanSquaredError : ElementLoss
{
    /// <inheritdoc/>
    public override string Name => "mean-squared-error";

    private protected override bool IsMean => true;

    /// <inheritdoc/>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient) =>
        Compute(
            default(MeanSquaredErrorElement), pool, outputs, targets, rows, width, scale,
            rowLosses, gradient);

    private protected override double ReferenceElement(double output, double target) =>
        (output - target) * (output - target);
}

/// <summary>The kernel of <see cref="MeanSquaredError"/>.</summary>
internal readonly struct MeanSquaredErrorElement : IElementLoss
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector difference = TSimd.Subtract(output, target);
        return TSimd.Multiply(difference, difference);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector difference = TSimd.Subtract(output, target);
        return TSimd.Add(difference, difference);
    }
}
