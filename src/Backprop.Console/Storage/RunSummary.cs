using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Backprop.Engine.Simd;
using Backprop.Training;
using Backprop.Training.Ensembles;
using Backprop.Training.Metrics;

namespace Backprop.Console.Storage;

/// <summary>What a run came to, for other programs: the content of <c>summary.json</c>.</summary>
internal sealed record RunSummary
{
    private static readonly JsonSerializerOptions s_json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.KebabCaseLower,
        WriteIndented = true,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
    };

    /// <summary>The run's name.</summary>
    public required string Name { get; init; }

    /// <summary>What ended it.</summary>
    public required StopKind Stop { get; init; }

    /// <summary>The same in words.</summary>
    public required string Reason { get; init; }

    /// <summary>Steps done.</summary>
    public required long Steps { get; init; }

    /// <summary>Epochs begun.</summary>
    public required long Epochs { get; init; }

    /// <summary>Mean training loss of each epoch.</summary>
    public required ImmutableArray<double> Losses { get; init; }

    /// <summary>What each epoch came to: where gradients vanish or explode, it is seen here.
    /// </summary>
    public required ImmutableArray<SummaryEpoch> History { get; init; }

    /// <summary>The best value of the run's metric.</summary>
    public required double? BestMetric { get; init; }

    /// <summary>The epoch it was reached in, from 0.</summary>
    public required long? BestEpoch { get; init; }

    /// <summary>The final weights on each part of the data.</summary>
    public required SummaryMetrics Metrics { get; init; }

    /// <summary>Seconds of training and evaluation.</summary>
    public required double Seconds { get; init; }

    /// <summary>Training samples per second.</summary>
    public required double SamplesPerSecond { get; init; }

    /// <summary>Seconds that steps stood for their rows; null: not known.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? DataWaitSeconds { get; init; }

    /// <summary>Threads that computed.</summary>
    public required int Threads { get; init; }

    /// <summary>Bits of the vectors that were computed with; 32: none, one float at a time.
    /// </summary>
    public required int SimdWidth { get; init; }

    /// <summary>SHA-256 of the final weights.</summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>SHA-256 of the last step's weights and optimizer state.</summary>
    public required string StateSha256 { get; init; }

    /// <summary>What else is worth saying.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>Each network of an ensemble; null: the run is of one network.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<RunSummary>? Members { get; init; }

    /// <summary>The summary of one network's run.</summary>
    public static RunSummary Of(TrainingResult result, int threads) => new()
    {
        Name = result.Name,
        Stop = result.Stop.Kind,
        Reason = result.Stop.Reason,
        Steps = result.Steps,
        Epochs = result.Epochs,
        Losses = result.Losses,
        History = [.. result.History.Select(SummaryEpoch.Of)],
        BestMetric = result.BestMetric,
        BestEpoch = result.BestEpoch,
        Metrics = new SummaryMetrics(
            result.History.IsEmpty ? null : result.History[^1].TrainingLoss, result.Validation,
            result.Test),
        Seconds = result.Elapsed.TotalSeconds,
        SamplesPerSecond = result.SamplesPerSecond,
        DataWaitSeconds = result.WaitedForData?.TotalSeconds,
        Threads = threads,
        SimdWidth = (int)SimdWidths.Best * 32,
        WeightsSha256 = result.WeightsSha256,
        StateSha256 = result.StateSha256,
        Notes = result.Notes,
    };

    /// <summary>The summary of a run: of its one network, or of an ensemble, whose metrics are
    /// those of the averaged outputs and whose digests are the first member's.</summary>
    public static RunSummary Of(EnsembleResult result, int threads)
    {
        ImmutableArray<RunSummary> members = [.. result.Members.Select(m => Of(m, threads))];
        RunSummary last = members[^1];
        return members.Length == 1
            ? last
            : last with
            {
                Metrics = new SummaryMetrics(
                    last.Metrics.TrainingLoss, result.Validation, result.Test),
                Steps = members.Sum(member => member.Steps),
                Epochs = members.Sum(member => member.Epochs),
                Seconds = members.Sum(member => member.Seconds),
                WeightsSha256 = members[0].WeightsSha256,
                StateSha256 = members[0].StateSha256,
                Members = members,
            };
    }

    /// <summary>As JSON, with a line's end.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, s_json) + "\n";
}

/// <summary>How good the final weights are.</summary>
/// <param name="TrainingLoss">Mean training loss of the last epoch.</param>
/// <param name="Validation">On the validation part; null: none.</param>
/// <param name="Test">On the test part; null: none.</param>
internal sealed record SummaryMetrics(
    double? TrainingLoss, EvaluationMetrics? Validation, EvaluationMetrics? Test);

/// <summary>What an epoch came to.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Steps">Steps of the run that were done after it.</param>
/// <param name="TrainingLoss">Mean of the rows' losses as each step saw them.</param>
/// <param name="ValidationLoss">On the validation part; null: there is none.</param>
/// <param name="Metric">The value of the metric that the run is judged by.</param>
/// <param name="LearningRate">The rate of the last step.</param>
/// <param name="Layers">Norms of each layer's gradient in the last step and of its weights after
/// it, first layer first.</param>
internal sealed record SummaryEpoch(
    long Epoch, long Steps, double TrainingLoss, double? ValidationLoss, double Metric,
    float LearningRate, ImmutableArray<LayerNorms> Layers)
{
    /// <summary>In short, what a report says.</summary>
    public static SummaryEpoch Of(EpochReport report) => new(
        report.Epoch, report.StepsDone, report.TrainingLoss, report.Validation?.Loss,
        report.Metric, report.LearningRate, report.Layers);
}
