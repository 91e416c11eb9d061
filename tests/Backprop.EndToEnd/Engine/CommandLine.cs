using System.ComponentModel;
using System.Diagnostics;

namespace Backprop.EndToEnd.Engine;

/// <summary>Runs programs to their end, within a time.</summary>
internal static class CommandLine
{
    /// <summary>Runs one that is to succeed.</summary>
    /// <param name="limit">After this it is killed.</param>
    /// <param name="environment">Variables set beside the inherited ones.</param>
    /// <param name="command">The program and its arguments.</param>
    /// <returns>What it has written to its standard output.</returns>
    /// <exception cref="InvalidOperationException">It failed; with what it has written.</exception>
    public static async Task<string> RunAsync(
        TimeSpan limit, IReadOnlyDictionary<string, string> environment, params string[] command)
    {
        Ended ended = await TryAsync(limit, environment, command);
        return ended.ExitCode == 0
            ? ended.Output
            : throw new InvalidOperationException(
                $"'{string.Join(' ', command)}' has ended with {ended.ExitCode}:"
                + $" {ended.Output}{ended.Error}");
    }

    /// <summary>Runs one that may fail.</summary>
    /// <exception cref="TimeoutException">It did not end; it was killed.</exception>
    public static async Task<Ended> TryAsync(
        TimeSpan limit, IReadOnlyDictionary<string, string> environment, params string[] command)
    {
        var start = new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)
            ?? throw new InvalidOperationException($"{command[0]} did not start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        using var patience = new CancellationTokenSource(limit);
        try
        {
            await process.WaitForExitAsync(patience.Token);
            return new Ended(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException(
                $"'{string.Join(' ', command)}' has not ended within {limit}");
        }
    }

    /// <summary>Whether there is a program of this name.</summary>
    public static bool Has(string program)
    {
        try
        {
            using var process = Process.Start(new ProcessStartInfo(program, "--version")
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            });
            return process is not null;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    /// <summary>How a program ended.</summary>
    internal sealed record Ended(int ExitCode, string Output, string Error);
}
