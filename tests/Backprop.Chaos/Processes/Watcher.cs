using System.Diagnostics;

namespace Backprop.Chaos.Processes;

/// <summary>Should this process be killed, nobody would be left to end those that it has started.
/// </summary>
internal static class Watcher
{
    private const string Watch =
        "while kill -0 $0 && kill -0 $1; do sleep 1; done; kill -9 $1";

    /// <summary>Has a process that this one has started end with it.</summary>
    public static void EndWithUs(int process)
    {
        using Process watcher = Process.Start(new ProcessStartInfo(
            "/bin/sh",
            ["-c", $"exec >/dev/null 2>&1; {Watch}", $"{Environment.ProcessId}", $"{process}"]))
            ?? throw new InvalidOperationException("sh did not start");
    }
}
