using System.Diagnostics;

namespace Backprop.Faults.Torch;

/// <summary>The peer's programs, by Debian's Python, whose packages PyTorch belongs to.</summary>
internal static class PythonProgram
{
    private const string Python = "/usr/bin/python3";
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    /// <summary>Where torchrun is.</summary>
    public const string TorchRun = "/usr/bin/torchrun";

    /// <summary>What is installed, in words; null: torchrun is not.</summary>
    public static string? Version { get; } =
        File.Exists(TorchRun) ? Run("version.py").Trim() : null;

    /// <summary>The file of a program.</summary>
    public static string FileOf(string program) => Path.Combine(
        Chaos.Processes.BackpropProgram.RepositoryRoot, "benchmarks", "faults", "peers", program);

    /// <summary>Runs a program to its end.</summary>
    /// <returns>What it wrote.</returns>
    public static string Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(
            new ProcessStartInfo(Python, [FileOf(program), .. arguments])
            {
                RedirectStandardOutput = true,
            })
            ?? throw new InvalidOperationException($"{Python} did not start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_limit))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} ran longer than {s_limit}");
        }

        return process.ExitCode == 0
            ? output.GetAwaiter().GetResult()
            : throw new InvalidOperationException($"{program} ended with {process.ExitCode}");
    }
}
