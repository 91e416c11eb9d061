using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;

namespace Backprop.Benchmarks;

/// <summary>A run of the program that lies beside this one, from its first step to its last.
/// </summary>
/// <param name="Milliseconds">What it took, evaluations and checkpoints included.</param>
/// <param name="Steps">Its steps.</param>
/// <param name="Weights">SHA-256 of the weights that it ended with.</param>
internal readonly record struct MeasuredRun(double Milliseconds, long Steps, string Weights)
{
    private static readonly TimeSpan s_deadline = TimeSpan.FromMinutes(10);

    /// <summary>Trains in one process.</summary>
    /// <param name="specification">The run's file.</param>
    /// <param name="scratch">A directory for what it writes.</param>
    /// <param name="options">Of <c>backprop train</c>.</param>
    public static MeasuredRun Train(
        string specification, string scratch, params string[] options)
    {
        string output = Path.Combine(scratch, $"{Guid.NewGuid()}");
        BackpropProgram.Run(scratch, ["train", specification, "--output", output, .. options]);
        using JsonDocument summary = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(output, "summary.json")));
        JsonElement root = summary.RootElement;
        return new MeasuredRun(
            root.GetProperty("seconds").GetDouble() * 1e3, root.GetProperty("steps").GetInt64(),
            root.GetProperty("weights-sha256").GetString()!);
    }

    /// <summary>Trains in a cluster of processes of this machine, one thread a worker, which is
    /// there for this run alone.</summary>
    /// <param name="specification">The run's file.</param>
    /// <param name="scratch">A directory for what it writes.</param>
    /// <param name="workers">Workers.</param>
    /// <param name="servers">Parameter servers.</param>
    public static MeasuredRun Cluster(
        string specification, string scratch, int workers, int servers)
    {
        string state = Path.Combine(scratch, $"{Guid.NewGuid()}");
        BackpropProgram.Run(scratch,
        [
            "cluster", "up", "--workers", $"{workers}", "--parameter-servers", $"{servers}",
            "--threads", "1", "--state", state,
        ]);
        try
        {
            using JsonDocument record = JsonDocument.Parse(
                File.ReadAllText(Path.Combine(state, "cluster.json")));
            string api = record.RootElement.GetProperty("Api").GetString()!;
            string submitted =
                BackpropProgram.Run(scratch, ["submit", specification, "--server", api]);
            string run = submitted.Split('\n')[0]["submitted: ".Length..].Trim();
            BackpropProgram.Run(scratch, ["watch", run, "--server", api]);
            using var client = new HttpClient { Timeout = s_deadline };
            JsonElement result = client
                .GetFromJsonAsync<JsonElement>($"{api.TrimEnd('/')}/api/v1/runs/{run}")
                .GetAwaiter().GetResult().GetProperty("result");
            var elapsed = TimeSpan.Parse(
                result.GetProperty("elapsed").GetString()!, CultureInfo.InvariantCulture);
            return new MeasuredRun(
                elapsed.TotalMilliseconds, result.GetProperty("steps").GetInt64(),
                result.GetProperty("weightsSha256").GetString()!);
        }
        finally
        {
            BackpropProgram.Run(scratch, ["cluster", "down", "--state", state]);
        }
    }
}
