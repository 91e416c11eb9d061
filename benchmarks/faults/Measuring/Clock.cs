using System.Diagnostics;

namespace Backprop.Faults.Measuring;

/// <summary>The machine's monotonic clock in nanoseconds: one for all processes, those of Python
/// among them (<c>time.monotonic_ns</c>).</summary>
internal static class Clock
{
    private const long PerSecond = 1_000_000_000;

    /// <summary>The time.</summary>
    public static long Now => Stopwatch.Frequency == PerSecond
        ? Stopwatch.GetTimestamp()
        : throw new PlatformNotSupportedException("clocks are compared in nanoseconds");

    /// <summary>Seconds from one time to another.</summary>
    public static double Seconds(long from, long to) => (to - from) / (double)PerSecond;

    /// <summary>The time so long after another.</summary>
    public static long After(long from, TimeSpan span) => from + (span.Ticks * 100);
}
