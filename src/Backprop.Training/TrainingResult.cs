using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Backprop.Training.Metrics;

namespace Backprop.Training;

/// <summary>Why a run ended.</summary>
public enum StopKind
{
    /// <summary>Every epoch is done.</summary>
    EpochsDone,

    /// <summary><see cref="StopRules.MaxSteps"/> is reached.</summary>
    MaxSteps,

    /// <summary><see cref="StopRules.MaxTime"/> is over.</summary>
    MaxTime,

    /// <summary>The training loss reached <see cref="StopRules.TargetLoss"/>.</summary>
    TargetLoss,

    /// <summary>The metric reached <see cref="StopRules.TargetMetric"/>.</summary>
    TargetMetric,

    /// <summary>The metric has not improved for <see cref="StopRules.Patience"/> epochs.</summary>
    Patience,

    /// <summary>A loss or a gradient was not finite: a failure. The weights are those of before the
    /// step.</summary>
    NonFinite,

    /// <summary>The caller asked for it; the run can be resumed.</summary>
    Interrupted,
}

/// <summary>That a run ends, and why.</summary>
/// <param name="Kind">Why.</param>
/// <param name="Reason">Why, in words with the numbers.</param>
public sealed record StopDecision(StopKind Kind, string Reason);

/// <summary>What a run came to.</summary>
public sealed record TrainingResult
{
    /// <summary>The run's name.</summary>
    public required string Name { get; init; }

    /// <summary>Steps done, those before a resumption among them.</summary>
    public required long Steps { get; init; }

    /// <summary>Epochs that were begun.</summary>
    public required long Epochs { get; init; }

    /// <summary>Why it ended.</summary>
    public required StopDecision Stop { get; init; }

    /// <summary>Every epoch's report, in order.</summary>
    public required ImmutableArray<EpochReport> History { get; init; }

    /// <summary>The best value of the run's metric; null: no epoch was evaluated.</summary>
    public required double? BestMetric { get; init; }

    /// <summary>The epoch it was reached in; null: no epoch was evaluated.</summary>
    public required long? BestEpoch { get; init; }

    /// <summary>True: the final weights are those of the best epoch, since the run has a patience;
    /// false: those of the last step.</summary>
    public required bool FinalIsBest { get; init; }

    /// <summary>The final weights on the validation part; null: there is none, or the run was
    /// interrupted.</summary>
    public required EvaluationMetrics? Validation { get; init; }

    /// <summary>The final weights on the test part; null: there is none, or the run was
    /// interrupted.</summary>
    public required EvaluationMetrics? Test { get; init; }

    /// <summary>Time spent training and evaluating, that before a resumption included.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>Training samples per second over <see cref="Elapsed"/>.</summary>
    public required double SamplesPerSecond { get; init; }

    /// <summary>How long steps stood for their rows to be read and prepared, since training began
    /// or was resumed; null: that is not known of a run on a cluster.</summary>
    [JsonIgnore] // The API tells of runs on clusters.
    public TimeSpan? WaitedForData { get; init; }

    /// <summary>SHA-256 of the final weights, in lower-case hex: see <see cref="WeightsDigest"/>.
    /// </summary>
    public required string WeightsSha256 { get; init; }

    /// <summary>SHA-256 of the last step's weights and the optimizer's state.</summary>
    public required string StateSha256 { get; init; }

    /// <summary>What else is worth saying, a sentence each.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>The mean training loss of each epoch.</summary>
    public ImmutableArray<double> Losses => [.. History.Select(epoch => epoch.TrainingLoss)];
}
