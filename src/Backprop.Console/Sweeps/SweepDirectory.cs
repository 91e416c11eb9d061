using System.Text;
using System.Text.Json;
using Backprop.Console.Api;
using Backprop.Console.Storage;
using Backprop.Training.Specification;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>What a sweep keeps: the outcomes of its trials, so that one that was interrupted goes
/// on, and the best trial's run.</summary>
internal sealed class SweepDirectory
{
    private const string OutcomesFile = "trials.json";
    private const string BestFile = "best.conf";

    private readonly Dictionary<string, TrialOutcome> _outcomes;

    private SweepDirectory(string path, Dictionary<string, TrialOutcome> outcomes)
    {
        Path = path;
        _outcomes = outcomes;
    }

    /// <summary>Where it is.</summary>
    public string Path { get; }

    /// <summary>The best trial's run, once the sweep is done.</summary>
    public string BestRun => System.IO.Path.Combine(Path, BestFile);

    private string Outcomes => System.IO.Path.Combine(Path, OutcomesFile);

    /// <summary>Opens it, with what an earlier sweep has left there.</summary>
    /// <exception cref="MistakeException">What is there was not written by a sweep.</exception>
    public static SweepDirectory Open(string path)
    {
        Directory.CreateDirectory(path);
        string file = System.IO.Path.Combine(path, OutcomesFile);
        if (!File.Exists(file))
        {
            return new SweepDirectory(path, []);
        }

        try
        {
            return new SweepDirectory(
                path,
                JsonSerializer.Deserialize<Dictionary<string, TrialOutcome>>(
                    File.ReadAllText(file), ApiJson.Options) ?? []);
        }
        catch (JsonException e)
        {
            throw new MistakeException(
                $"'{file}' cannot be read: {e.Message}; without it the sweep begins anew");
        }
    }

    /// <summary>What a trial came to that was trained before; null: it was not.</summary>
    public TrialOutcome? Find(TrialRun trial) => _outcomes.GetValueOrDefault(KeyOf(trial));

    /// <summary>Keeps what a trial came to.</summary>
    public void Keep(TrialRun trial, TrialOutcome outcome)
    {
        _outcomes[KeyOf(trial)] = outcome;
        DurableFile.Write(
            Outcomes, stream => JsonSerializer.Serialize(stream, _outcomes, ApiJson.Options));
    }

    /// <summary>Keeps the best trial's run.</summary>
    public void KeepBest(RunSpecification run) => DurableFile.Write(
        BestRun, stream => stream.Write(Encoding.UTF8.GetBytes(run.ResolvedText)));

    private static string KeyOf(TrialRun trial) => Convert.ToHexStringLower(trial.Digest);
}
