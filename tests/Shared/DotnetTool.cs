using System.Diagnostics;

namespace Backprop.Tests.Shared;

/// <summary>The SDK's command line, in a process of its own.</summary>
internal static class DotnetTool
{
    /// <summary>The configuration that the tests were built in: they run in
    /// bin/Release/net10.0, say.</summary>
    public static string Configuration =>
        new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;

    /// <summary>Runs a command to its end.</summary>
    /// <returns>Its exit code, and what it wrote.</returns>
    public static (int ExitCode, string Output) Run(string directory, params string[] arguments)
    {
        var start = new ProcessStartInfo(
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            WorkingDirectory = directory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["DOTNET_NOLOGO"] = "1", ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1" },
        };
        start.Environment.Remove("MSBuildSDKsPath");
        start.Environment.Remove("MSBUILD_EXE_PATH");
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
