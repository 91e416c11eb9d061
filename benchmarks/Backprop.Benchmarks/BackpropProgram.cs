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
    public static Process Start(string home, params string[] arguments) =>
        Start(home, cores: null, arguments);

    /// <summary>Starts it on some cores.</summary>
    /// <param name="home">As above.</param>
    /// <param name="cores">As <c>taskset -c</c> has them, which has to be there; null: wherever
    /// this process may run. What it starts itself runs there too.</param>
    /// <param name="arguments">The command.</param>
    public static Process Start(string home, string? cores, string[] arguments)
    {
        string[] command = ["dotnet", File, .. arguments];
        string[] whole = cores is null ? command : ["taskset", "-c", cores, .. command];
        return Process.Start(new ProcessStartInfo(whole[0], whole[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            // One thread a worker.
            Environment = { ["HOME"] = home, ["BACKPROP__COMPUTE__THREADS"] = "1" },
        })!;
    }

    /// <summary>Runs it to its end.</summary>
    /// <returns>What it wrote.</returns>
    public static string Run(string home, params string[] arguments) =>
        Run(home, cores: null, arguments);

    /// <summary>Runs it to its end on some cores.</summary>
    /// <returns>What it wrote.</returns>
    public static string Run(string home, string? cores, string[] arguments)
    {
        using Process process = Start(home, cores, arguments);
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
