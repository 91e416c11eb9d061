using System.Diagnostics;
using System.Text.Json;
using Backprop.Chaos.Processes;

namespace Backprop.Console.Tests.Exactness;

/// <summary>A development cluster of a test's own; none of its processes outlives it.</summary>
internal sealed class ProcessCluster(string directory) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private string Api => Record().GetProperty("Api").GetString()!;

    /// <summary>Starts it, and hands a run in where one is given.</summary>
    /// <returns>The run's name.</returns>
    public async Task<string> UpAsync(int workers, int servers, string? specification = null)
    {
        (int exitCode, string output) = await RunAsync(
            "cluster", "up", "--workers", $"{workers}", "--parameter-servers", $"{servers}",
            "--state", directory);
        Assert.True(exitCode == 0, output);
        if (specification is null)
        {
            return "";
        }

        (exitCode, output) = await RunAsync("submit", specification, "--server", Api);
        Assert.True(exitCode == 0, output);
        return output.Split('\n')[0]["submitted: ".Length..];
    }

    /// <summary>Follows a run to its end.</summary>
    public async Task<string> WatchAsync(string run) =>
        (await RunAsync("watch", run, "--server", Api)).Output;

    /// <summary>Every process is killed at once.</summary>
    public void KillAll()
    {
        foreach (int id in Processes())
        {
            try
            {
                using Process process = Process.GetProcessById(id);
                process.Kill();
                process.WaitForExit(s_patience);
            }
            catch (ArgumentException)
            {
                // It has ended already.
            }
        }
    }

    /// <summary>Ends it as users do.</summary>
    public async Task DownAsync()
    {
        (int exitCode, string output) = await RunAsync("cluster", "down", "--state", directory);
        Assert.True(exitCode == 0, output);
        Assert.Contains("processes ended", output);
    }

    public void Dispose()
    {
        if (File.Exists(Path.Combine(directory, "cluster.json")))
        {
            KillAll();
        }
    }

    private JsonElement Record()
    {
        using JsonDocument record = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(directory, "cluster.json")));
        return record.RootElement.Clone();
    }

    private int[] Processes() =>
    [
        .. Record().GetProperty("Processes").EnumerateArray()
            .Select(process => process.GetProperty("Process").GetInt32()),
    ];

    private async Task<(int ExitCode, string Output)> RunAsync(params string[] arguments)
    {
        // The address of the user's own cluster stays what it is.
        using Process process = Process.Start(BackpropProgram.Command(
            new Dictionary<string, string> { ["HOME"] = directory }, arguments))!;
        using var patience = new CancellationTokenSource(s_patience);
        Task<string> error = process.StandardError.ReadToEndAsync(patience.Token);
        string output = await process.StandardOutput.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return (process.ExitCode, output + await error);
    }
}
