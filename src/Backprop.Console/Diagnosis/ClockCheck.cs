using System.Diagnostics;
using System.Globalization;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks whether the machine's clocks go on, and go alike. Nothing that is computed
/// depends on them; what is late is told by the one that never goes back.</summary>
internal static class ClockCheck
{
    private const string Check = "clocks";

    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_most = TimeSpan.FromMilliseconds(100);

    public static async Task<Finding> ExamineAsync(CancellationToken cancellation)
    {
        if (!Stopwatch.IsHighResolution)
        {
            return Finding.Warning(
                Check, "the monotonic clock is coarse",
                "use the machine's own clock source, such as tsc or kvm-clock");
        }

        DateTime wall = DateTime.UtcNow;
        long steady = Stopwatch.GetTimestamp();
        await Task.Delay(s_look, cancellation);
        TimeSpan passed = Stopwatch.GetElapsedTime(steady);
        TimeSpan apart = DateTime.UtcNow - wall - passed;
        string milliseconds = string.Create(
            CultureInfo.InvariantCulture, $"{apart.TotalMilliseconds:0.0} ms");
        return passed < TimeSpan.Zero || apart.Duration() > s_most
            ? Finding.Warning(
                Check, $"the time of day moved by {milliseconds} against the monotonic clock within"
                + $" {s_look.TotalMilliseconds:0} ms",
                "let a time service slew the clock instead of setting it")
            : Finding.Ok(Check, $"the time of day and the monotonic clock are {milliseconds} apart"
                + $" after {s_look.TotalMilliseconds:0} ms");
    }
}
