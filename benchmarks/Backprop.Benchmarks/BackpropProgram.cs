using System.Diagnostics;

namespace Backprop.Benchmarks;

/// <summary>The program that lies beside this one, in processes.</summary>
internal static class BackpropProgram
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(10);

    private static string File => Path.Combine(AppContext.BaseDirectory, "backprop.dll");

    /// <summary>Starts it.</summary>
    /// <param name="home">In the place of the user's, whose own cluster and its address stay what
    /// they are.</param>
    /// <param name="arguments">The command.</param>
    public static Process Start(string home, params string[] arguments) => Process.Start(
        new ProcessStartInfo("dotnet", [File, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            // One thread a worker.
            Environment = { ["HOME"] = home, ["BACKPROP__COMPUTE__THREADS"] = "1" },
        })!;

    /// <summary>Runs it to its end.</summary>
    /// <returns>What it wrote.</returns>
    public static string Run(string home, params string[] arguments)
    {
        using Process process = Start(home, arguments);
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(s_deadline))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{string.Join(' ', arguments)} takes too long");
        }

        return process.ExitCode == 0
            ? output.GetAwaiter().GetResult()
            : throw new InvalidOperationException(
                $"{string.Join(' ', arguments)}: {error.GetAwaiter().GetResult()}");
    }
}
