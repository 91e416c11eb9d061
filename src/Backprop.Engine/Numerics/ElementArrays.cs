using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;

namespace Backprop.Engine.Numerics;

/// <summary>The <see cref="ElementFunctions"/> over spans, on the calling thread.</summary>
public static unsafe class ElementArrays
{
    /// <summary>destination[i] = e^source[i].</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Exp(ReadOnlySpan<float> source, Span<float> destination) =>
        Map(default(ExpFunction), source, destination);

    /// <summary>destination[i] = ln source[i].</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Log(ReadOnlySpan<float> source, Span<float> destination) =>
        Map(default(LogFunction), source, destination);

    /// <summary>destination[i] = tanh source[i].</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Tanh(ReadOnlySpan<float> source, Span<float> destination) =>
        Map(default(TanhFunction), source, destination);

    /// <summary>destination[i] = 1 / (1 + e^(−source[i])).</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Sigmoid(ReadOnlySpan<float> source, Span<float> destination) =>
        Map(default(SigmoidFunction), source, destination);

    /// <summary>destination[i] = ln(1 + e^source[i]).</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Softplus(ReadOnlySpan<float> source, Span<float> destination) =>
        Map(default(SoftplusFunction), source, destination);

    /// <summary>destination[i] = erf source[i].</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Erf(ReadOnlySpan<float> source, Span<float> destination) =>
        Map(default(ErfFunction), source, destination);

    private static void Map<TFunction>(
        in TFunction function, ReadOnlySpan<float> source, Span<float> destination)
        where TFunction : struct, IUnaryFunction
    {
        if (source.Length != destination.Length)
        {
            throw new ArgumentException(
                $"source has {source.Length} elements, destination {destination.Length}",
                nameof(destination));
        }

        fixed (float* from = source, to = destination)
        {
            Elementwise.Map(function, from, source.Length, to);
        }
    }
}

/// <summary>e^x.</summary>
internal readonly struct ExpFunction : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, Simd.ISimd<TVector> =>
        ElementFunctions.Exp<TVector, TSimd>(x);
}

/// <summary>ln x.</summary>
internal readonly struct LogFunction : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, Simd.ISimd<TVector> =>
        ElementFunctions.Log<TVector, TSimd>(x);
}

/// <summary>tanh x.</summary>
internal readonly struct TanhFunction : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, Simd.ISimd<TVector> =>
        ElementFunctions.Tanh<TVector, TSimd>(x);
}

/// <summary>1 / (1 + e^(−x)).</summary>
internal readonly struct SigmoidFunction : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, Simd.ISimd<TVector> =>
        ElementFunctions.Sigmoid<TVector, TSimd>(x);
}

/// <summary>ln(1 + e^x).</summary>
internal readonly struct SoftplusFunction : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, Simd.ISimd<TVector> =>
        ElementFunctions.Softplus<TVector, TSimd>(x);
}

/// <summary>erf x.</summary>
internal readonly struct ErfFunction : IUnaryFunction
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, Simd.ISimd<TVector> =>
        ElementFunctions.Erf<TVector, TSimd>(x);
}
