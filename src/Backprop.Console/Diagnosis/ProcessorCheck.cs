using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using Backprop.Distributed.Configuration;
using Backprop.Engine.Simd;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks at what a node computes with. None of it changes a result.</summary>
internal static class ProcessorCheck
{
    private const string Check = "processor";

    public static Finding Kernels()
    {
        SimdWidth width = SimdWidths.Best;
        string kernels = $"kernels of {(int)width} floats ({NameOf(width)})";
        bool isX64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;
        if (isX64 && width != SimdWidth.Scalar && !Fma.IsSupported)
        {
            return Finding.Warning(
                Check, $"{kernels}, but no fused multiply-add: it is done in software",
                "use a processor of Intel's Haswell, AMD's Excavator or later, or unset"
                + " DOTNET_EnableFMA");
        }

        return width switch
        {
            SimdWidth.Scalar => Finding.Warning(
                Check, $"{kernels}: it computes many times slower than it could",
                "unset DOTNET_EnableHWIntrinsic, or use a processor with vector instructions"),
            SimdWidth.Bits128 when isX64 => Finding.Warning(
                Check, $"{kernels}, where processors of the last ten years have 8 or 16",
                "unset DOTNET_EnableAVX2, or have the virtual machine pass AVX2 on"),
            _ => Finding.Ok(Check, kernels),
        };
    }

    public static IEnumerable<Finding> Cores(NodeConfiguration node)
    {
        int seen = Environment.ProcessorCount;
        double? allowed = OperatingSystem.IsLinux() ? new ControlGroup().Cores() : null;
        string limit = allowed is { } cores ? $", of which {cores:0.##} may be used" : "";
        string text = $"{seen} seen{limit}, {node.EffectiveThreads} threads compute";
        // .NET rounds what is allowed up.
        yield return node.EffectiveThreads > Math.Min(seen, Math.Ceiling(allowed ?? seen))
            ? Finding.Warning(
                "cores", $"{text}: they take the cores from one another",
                "lower backprop.compute.threads, or allow the container more")
            : Finding.Ok("cores", text);
        if (allowed < 1)
        {
            yield return Finding.Warning(
                "cores", $"less than one core is allowed: {allowed:0.##}",
                "allow at least one: heartbeats that come late look like a node that is lost");
        }
    }

    private static string NameOf(SimdWidth width) => width switch
    {
        SimdWidth.Bits512 => "512-bit vectors",
        SimdWidth.Bits256 => "256-bit vectors",
        SimdWidth.Bits128 => "128-bit vectors",
        _ => "no vectors",
    };
}
