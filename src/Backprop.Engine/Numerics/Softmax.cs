using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Numerics;

/// <summary>softmax and its logarithm over one row. The row's largest element is subtracted first,
/// so nothing overflows; sums are in the order of <see cref="Reductions"/>.</summary>
public static unsafe class Softmax
{
    /// <summary>probabilities[i] = e^logits[i] / Σ e^logits[j].</summary>
    /// <param name="logits">[width].</param>
    /// <param name="width">Elements of the row, at least one.</param>
    /// <param name="probabilities">[width], overwritten; may be the logits.</param>
    public static void Row(float* logits, int width, float* probabilities) =>
        Row(SimdWidths.Best, logits, width, probabilities);

    /// <summary>logProbabilities[i] = logits[i] − ln Σ e^logits[j].</summary>
    /// <param name="logits">[width].</param>
    /// <param name="width">Elements of the row, at least one.</param>
    /// <param name="logProbabilities">[width], overwritten; may be the logits.</param>
    public static void LogRow(float* logits, int width, float* logProbabilities) =>
        LogRow(SimdWidths.Best, logits, width, logProbabilities);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    internal static void Row(SimdWidth simdWidth, float* logits, int width, float* probabilities)
    {
        float max = Reductions.MapReduce(
            simdWidth, default(MaxReduction), logits, width, null);
        float sum = Reductions.MapReduce(
            simdWidth, new ExpSum(max), logits, width, probabilities);
        Elementwise.Map(simdWidth, new Quotient(sum), probabilities, width, probabilities);
    }

    /// <summary>As the above, at a width of the caller's choice: for tests. Compiled at once:
    /// before the runtime gets round to optimizing it, each of the logarithm's operations would be
    /// a call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void LogRow(
        SimdWidth simdWidth, float* logits, int width, float* logProbabilities)
    {
        float max = Reductions.MapReduce(
            simdWidth, default(MaxReduction), logits, width, null);
        float sum = Reductions.MapReduce(simdWidth, new ExpSum(max), logits, width, null);
        float logSum = ElementFunctions.Log<float, SimdScalar>(sum);
        Elementwise.Map(
            simdWidth, new Difference(max, logSum), logits, width, logProbabilities);
    }
}

/// <summary>Σ e^(x − max), and the exponentials as the map.</summary>
internal readonly struct ExpSum(float max) : IMapReduction
{
    /// <inheritdoc/>
    public float Start => 0;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Map<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        ElementFunctions.Exp<TVector, TSimd>(TSimd.Subtract(x, TSimd.Create(max)));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Join<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => TSimd.Add(a, b);
}

/// <summary>x / divisor.</summary>
internal readonly struct Quotient(float divisor) : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> => TSimd.Divide(x, TSimd.Create(divisor));
}

/// <summary>(x − first) − second.</summary>
internal readonly struct Difference(float first, float second) : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Subtract(TSimd.Subtract(x, TSimd.Create(first)), TSimd.Create(second));
}
