using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Benchmarks;

/// <summary>What one core can do at the most: fused multiply-adds on registers alone.</summary>
internal static class FmaPeak
{
    private const int Chains = 12;
    private const int Iterations = 50_000;

    /// <summary>One sample, in billions of floating-point operations a second (a fused multiply-add
    /// is two), at the widest vectors.</summary>
    public static double Sample() => SimdWidths.Best switch
    {
        SimdWidth.Bits512 => Sample<Vector512<float>, Simd512>(),
        SimdWidth.Bits256 => Sample<Vector256<float>, Simd256>(),
        SimdWidth.Bits128 => Sample<Vector128<float>, Simd128>(),
        _ => Sample<float, SimdScalar>(),
    };

    private static double Sample<TVector, TSimd>()
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        long start = Stopwatch.GetTimestamp();
        Loop<TVector, TSimd>(TSimd.Create(0.999f), TSimd.Create(1e-6f));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return 2.0 * Iterations * Chains * TSimd.Lanes / seconds / 1e9;
    }

    // Twelve chains: more than the latency (4) times the units (2) of any machine at hand.
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static TVector Loop<TVector, TSimd>(TVector a, TVector b)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector c0 = b, c1 = b, c2 = b, c3 = b, c4 = b, c5 = b;
        TVector c6 = b, c7 = b, c8 = b, c9 = b, c10 = b, c11 = b;
        for (int i = 0; i < Iterations; i++)
        {
            c0 = TSimd.FusedMultiplyAdd(c0, a, b);
            c1 = TSimd.FusedMultiplyAdd(c1, a, b);
            c2 = TSimd.FusedMultiplyAdd(c2, a, b);
            c3 = TSimd.FusedMultiplyAdd(c3, a, b);
            c4 = TSimd.FusedMultiplyAdd(c4, a, b);
            c5 = TSimd.FusedMultiplyAdd(c5, a, b);
            c6 = TSimd.FusedMultiplyAdd(c6, a, b);
            c7 = TSimd.FusedMultiplyAdd(c7, a, b);
            c8 = TSimd.FusedMultiplyAdd(c8, a, b);
            c9 = TSimd.FusedMultiplyAdd(c9, a, b);
            c10 = TSimd.FusedMultiplyAdd(c10, a, b);
            c11 = TSimd.FusedMultiplyAdd(c11, a, b);
        }

        TVector low = TSimd.Add(TSimd.Add(c0, c1), TSimd.Add(c2, c3));
        TVector middle = TSimd.Add(TSimd.Add(c4, c5), TSimd.Add(c6, c7));
        TVector high = TSimd.Add(TSimd.Add(c8, c9), TSimd.Add(c10, c11));
        return TSimd.Add(TSimd.Add(low, middle), high);
    }
}
