using System.Runtime.Intrinsics;

namespace Backprop.Engine.Simd;

/// <summary>How many floats a kernel handles at once. No result depends on it (rule 3 of the
/// exactness rules in ARCHITECTURE.md): it is a matter of speed alone.</summary>
public enum SimdWidth
{
    /// <summary>One float: machines, or settings, without vector instructions.</summary>
    Scalar = 1,

    /// <summary>Four floats: SSE, or Arm's AdvSimd.</summary>
    Bits128 = 4,

    /// <summary>Eight floats: AVX2 with FMA.</summary>
    Bits256 = 8,

    /// <summary>Sixteen floats: AVX-512.</summary>
    Bits512 = 16,
}

/// <summary>The width that this process computes with.</summary>
public static class SimdWidths
{
    /// <summary>The widest that the hardware, and the runtime's settings, allow.</summary>
    public static readonly SimdWidth Best =
        Vector512.IsHardwareAccelerated ? SimdWidth.Bits512
        : Vector256.IsHardwareAccelerated ? SimdWidth.Bits256
        : Vector128.IsHardwareAccelerated ? SimdWidth.Bits128
        : SimdWidth.Scalar;

    /// <summary>Every width that runs here, widest first. All of them run everywhere, in software
    /// where need be, so tests hold each against the scalar one.</summary>
    public static IReadOnlyList<SimdWidth> All { get; } =
        [SimdWidth.Bits512, SimdWidth.Bits256, SimdWidth.Bits128, SimdWidth.Scalar];
}
