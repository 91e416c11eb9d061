using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Numerics;

/// <summary>
/// bfloat16: the upper half of a float's bits. It has a float's range and 8 bits of significand, so
/// that rounding changes a number by at most one part in 256. Rounding is to the nearest, ties to
/// even, and the same at every vector width.
/// </summary>
public static unsafe class Bfloat16
{
    /// <summary>Bytes of one.</summary>
    public const int Bytes = sizeof(ushort);

    // One less than half of the last place that is kept; with that place's bit added, ties go to
    // even.
    internal const uint BelowHalf = 0x7FFF;

    // Set in a NaN, it keeps one whose payload lies in the lower half from becoming an infinity.
    internal const uint QuietBit = 0x0040_0000;

    /// <summary>Rounds floats.</summary>
    /// <param name="source">[length].</param>
    /// <param name="destination">[length], overwritten.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Round(ReadOnlySpan<float> source, Span<ushort> destination) =>
        Round(SimdWidths.Best, source, destination);

    /// <summary>Makes floats of them: exact.</summary>
    /// <param name="source">[length].</param>
    /// <param name="destination">[length], overwritten.</param>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    public static void Widen(ReadOnlySpan<ushort> source, Span<float> destination) =>
        Widen(SimdWidths.Best, source, destination);

    /// <summary>As the other, at a width of the caller's choice: for tests.</summary>
    internal static void Round(
        SimdWidth width, ReadOnlySpan<float> source, Span<ushort> destination)
    {
        RequireEqual(source.Length, destination.Length);
        fixed (float* from = source)
        fixed (ushort* to = destination)
        {
            switch (width)
            {
                case SimdWidth.Bits512:
                    Round<Vector512<float>, Simd512>(from, source.Length, to);
                    break;
                case SimdWidth.Bits256:
                    Round<Vector256<float>, Simd256>(from, source.Length, to);
                    break;
                case SimdWidth.Bits128:
                    Round<Vector128<float>, Simd128>(from, source.Length, to);
                    break;
                default:
                    Round<float, SimdScalar>(from, source.Length, to);
                    break;
            }
        }
    }

    /// <summary>As the other, at a width of the caller's choice: for tests.</summary>
    internal static void Widen(
        SimdWidth width, ReadOnlySpan<ushort> source, Span<float> destination)
    {
        RequireEqual(source.Length, destination.Length);
        fixed (ushort* from = source)
        fixed (float* to = destination)
        {
            switch (width)
            {
                case SimdWidth.Bits512:
                    Widen<Vector512<float>, Simd512>(from, source.Length, to);
                    break;
                case SimdWidth.Bits256:
                    Widen<Vector256<float>, Simd256>(from, source.Length, to);
                    break;
                case SimdWidth.Bits128:
                    Widen<Vector128<float>, Simd128>(from, source.Length, to);
                    break;
                default:
                    Widen<float, SimdScalar>(from, source.Length, to);
                    break;
            }
        }
    }

    private static void RequireEqual(int source, int destination)
    {
        if (source != destination)
        {
            throw new ArgumentException(
                $"{source:N0} elements do not fit {destination:N0}", nameof(destination));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Round<TVector, TSimd>(float* source, int count, ushort* destination)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int i = 0;
        for (; i + TSimd.Lanes <= count; i += TSimd.Lanes)
        {
            TSimd.StoreBfloat16(TSimd.Load(source + i), destination + i);
        }

        for (; i < count; i++)
        {
            SimdScalar.StoreBfloat16(source[i], destination + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Widen<TVector, TSimd>(ushort* source, int count, float* destination)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int i = 0;
        for (; i + TSimd.Lanes <= count; i += TSimd.Lanes)
        {
            TSimd.Store(TSimd.LoadBfloat16(source + i), destination + i);
        }

        for (; i < count; i++)
        {
            destination[i] = SimdScalar.LoadBfloat16(source + i);
        }
    }
}
