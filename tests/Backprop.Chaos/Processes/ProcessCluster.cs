using System.Diagnostics;
using System.Text.Json;

namespace Backprop.Chaos.Processes;

/// <summary>A development cluster of a test's own; none of its processes outlives it.</summary>
/// <param name="directory">For state and logs.</param>
internal sealed class ProcessCluster(string directory) : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    /// <summary>Where its API is.</summary>
    public Uri Api => new(Record().GetProperty("Api").GetString()!);

    /// <summary>Starts it, and hands a run in where one is given.</summary>
    /// <returns>The run's name.</returns>
    public async Task<string> UpAsync(int workers, int servers, string? specification = null)
    {
        await SucceedAsync(
            "cluster", "up", "--workers", $"{workers}", "--parameter-servers", $"{servers}",
            "--state", directory, "--api-port", "0");
        if (specification is null)
        {
            return "";
        }

        string output = await SucceedAsync("submit", specification, "--server", $"{Api}");
        return output.Split('\n')[0]["submitted: ".Length..];
    }

    /// <summary>Follows a run to its end.</summary>
    public async Task<string> WatchAsync(string run) =>
        (await RunAsync("watch", run, "--server", $"{Api}")).Output;

    /// <summary>Where others reach a node now, as its own log says.</summary>
    /// <param name="name">As the cluster calls it: <c>worker-1</c>.</param>
    public string AddressOf(string name)
    {
        const string Line = "node ";
        using var log = new StreamReader(new FileStream(
            Path.Combine(directory, $"{name}.log"), FileMode.Open, FileAccess.Read,
            FileShare.ReadWrite));
        return log.ReadToEnd().Split('\n')
            .Last(line => line.StartsWith(Line, StringComparison.Ordinal))[Line.Length..]
            .Trim().Split(' ')[0];
    }

    /// <summary>Kills one process, without a word.</summary>
    /// <param name="name">As the cluster calls it: <c>worker-1</c>.</param>
    public void Kill(string name) => Kill(
        Record().GetProperty("Processes").EnumerateArray()
            .Single(process => process.GetProperty("Name").GetString() == name)
            .GetProperty("Process").GetInt32());

    /// <summary>Every process is killed at once.</summary>
    public void KillAll()
    {
        foreach (JsonElement process in Record().GetProperty("Processes").EnumerateArray())
        {
            Kill(process.GetProperty("Process").GetInt32());
        }
    }

    /// <summary>Ends it as users do.</summary>
    /// <returns>What is said about it.</returns>
    public Task<string> DownAsync() => SucceedAsync("cluster", "down", "--state", directory);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (File.Exists(Path.Combine(directory, "cluster.json")))
        {
            KillAll();
        }
    }

    private static void Kill(int id)
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

    private JsonElement Record()
    {
        using JsonDocument record = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(directory, "cluster.json")));
        return record.RootElement.Clone();
    }

    private async Task<string> SucceedAsync(params string[] arguments)
    {
        (int exitCode, string output) = await RunAsync(arguments);
        return exitCode == 0
            ? output
            : throw new InvalidOperationException(
                $"backprop {string.Join(' ', arguments)} ended with {exitCode}: {output}");
    }

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
