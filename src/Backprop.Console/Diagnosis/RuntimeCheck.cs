using System.Runtime;
using System.Runtime.InteropServices;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks at the runtime and how it was told to collect garbage.</summary>
internal static class RuntimeCheck
{
    public static Finding Version() => Finding.Ok(
        "runtime",
        $"{RuntimeInformation.FrameworkDescription} on {RuntimeInformation.OSDescription},"
        + $" {RuntimeInformation.ProcessArchitecture}");

    public static Finding Collector() => GCSettings.IsServerGC
        ? Finding.Warning(
            "garbage collector", "the server's: it has a heap and a thread for every core",
            "unset DOTNET_gcServer: a node allocates little while it trains, and its cores are"
            + " better used for that")
        : Finding.Ok(
            "garbage collector",
            $"the workstation's, {(GCSettings.LatencyMode == GCLatencyMode.Batch ? "not " : "")}"
            + "concurrent");
}
