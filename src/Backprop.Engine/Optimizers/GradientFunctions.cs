using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Optimizers;

/// <summary>Adds the gradient of a penalty: g + λ₂·w + λ₁·sign(w), with sign(0) = 0.</summary>
internal readonly struct PenaltyGradient(Penalty penalty) : IBinaryFunction
{
    private readonly float _l1 = penalty.L1, _l2 = penalty.L2;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector sign = TSimd.SelectEqual(
            y, TSimd.Zero, TSimd.Zero, TSimd.CopySign(TSimd.Create(_l1), y));
        return TSimd.Add(TSimd.FusedMultiplyAdd(TSimd.Create(_l2), y, x), sign);
    }
}

/// <summary>Clamps to [−limit, limit], but lets infinities and NaN pass: a gradient that exploded
/// is to be seen, not to be made presentable.</summary>
internal readonly struct ClampFinite(float limit) : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector bound = TSimd.Create(limit), magnitude = TSimd.Abs(x);
        TVector clamped = TSimd.SelectLess(bound, magnitude, TSimd.CopySign(bound, x), x);
        return TSimd.SelectLess(magnitude, TSimd.Create(float.PositiveInfinity), clamped, x);
    }
}

/// <summary>Moves a running statistic towards the mean of what the micro-batches observed:
/// y + (1 − momentum)·(x / M − y).</summary>
internal readonly struct StatisticUpdate(double momentum, int microBatches) : IBinaryFunction
{
    private readonly float _rate = (float)(1 - momentum), _microBatches = microBatches;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector mean = TSimd.Divide(x, TSimd.Create(_microBatches));
        return TSimd.FusedMultiplyAdd(TSimd.Create(_rate), TSimd.Subtract(mean, y), y);
    }
}
