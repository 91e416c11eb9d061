using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>
/// The mean over outputs of a loss that is squared near the target and linear away from it, so that
/// outliers do not rule: d² / 2 for |d| &lt; δ, δ·(|d| − δ / 2) beyond, with d = output − target.
/// Huber, "Robust estimation of a location parameter", 1964.
/// </summary>
public sealed record Huber : ElementLoss
{
    /// <summary>With the given δ.</summary>
    /// <exception cref="ArgumentOutOfRangeException">δ is not a positive finite number.</exception>
    public Huber(float delta = 1)
    {
        if (!(delta > 0) || !float.IsFinite(delta))
        {
            throw new ArgumentOutOfRangeException(
                nameof(delta), delta, "delta must be a positive number");
        }

        Delta = delta;
    }

    /// <summary>Where the loss turns from squared to linear; positive. Default 1.</summary>
    public float Delta { get; }

    /// <inheritdoc/>
    public override string Name => "huber";

    private protected override bool IsMean => true;

    /// <inheritdoc/>
    public override unsafe void Compute(
        ComputePool pool, float* outputs, float* targets, int rows, int width, float scale,
        float* rowLosses, float* gradient) =>
        Compute(
            new HuberElement(Delta), pool, outputs, targets, rows, width, scale,
            rowLosses, gradient);

    private protected override double ReferenceElement(double output, double target)
    {
        double magnitude = Math.Abs(output - target);
        return magnitude < Delta
            ? 0.5 * magnitude * magnitude
            : Delta * (magnitude - (0.5 * Delta));
    }
}

/// <summary>The kernel of <see cref="Huber"/>.</summary>
internal readonly struct HuberElement(float delta) : IElementLoss
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector difference = TSimd.Subtract(output, target);
        TVector magnitude = TSimd.Abs(difference);
        TVector threshold = TSimd.Create(delta);
        TVector half = TSimd.Multiply(difference, TSimd.Create(0.5f));
        TVector squared = TSimd.Multiply(half, difference);
        TVector excess = TSimd.Subtract(magnitude, TSimd.Create(0.5f * delta));
        TVector linear = TSimd.Multiply(threshold, excess);
        return TSimd.SelectLess(magnitude, threshold, squared, linear);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector difference = TSimd.Subtract(output, target);
        TVector threshold = TSimd.Create(delta);
        TVector limit = TSimd.CopySign(threshold, difference);
        return TSimd.SelectLess(TSimd.Abs(difference), threshold, difference, limit);
    }
}
