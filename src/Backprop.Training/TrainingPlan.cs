using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Data.Preparation;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;

namespace Backprop.Training;

/// <summary>How errors are passed back.</summary>
public enum BackwardRule
{
    /// <summary>True gradients, by the chain rule.</summary>
    ChainRule,

    /// <summary>Without the activations' derivatives: the second article's variant.</summary>
    ErrorSplitting,
}

/// <summary>What an evaluation is judged by.</summary>
public enum StopMetric
{
    /// <summary>Mean training loss of the epoch.</summary>
    TrainingLoss,

    /// <summary>Mean loss on the validation part.</summary>
    ValidationLoss,

    /// <summary>Share of right classes on the validation part.</summary>
    ValidationAccuracy,

    /// <summary>R² on the validation part.</summary>
    ValidationR2,
}

/// <summary>When a run ends before its last epoch. Every limit may be absent.</summary>
/// <param name="Metric">What patience, target and the best weights look at.</param>
/// <param name="Patience">Epochs without improvement of the metric.</param>
/// <param name="MinimumImprovement">What counts as an improvement.</param>
/// <param name="TargetLoss">Stop once the epoch's training loss is at or below this.</param>
/// <param name="TargetMetric">Stop once the metric is at least as good as this.</param>
/// <param name="MaxSteps">Stop after so many steps.</param>
/// <param name="MaxTime">Stop after so much time; the one rule that does not reproduce.</param>
public sealed record StopRules(
    StopMetric Metric,
    int? Patience = null,
    double MinimumImprovement = 0,
    double? TargetLoss = null,
    double? TargetMetric = null,
    long? MaxSteps = null,
    TimeSpan? MaxTime = null)
{
    /// <summary>The named output that the metric is of; null: of the whole.</summary>
    public string? Output { get; init; }

    // What a run is known by: as it was before outputs had names.
    private bool PrintMembers(StringBuilder text)
    {
        text.Append(
            CultureInfo.InvariantCulture,
            $"Metric = {Metric}, Patience = {Patience}, MinimumImprovement = {MinimumImprovement}, "
            + $"TargetLoss = {TargetLoss}, TargetMetric = {TargetMetric}, MaxSteps = {MaxSteps}, "
            + $"MaxTime = {MaxTime}{(Output is null ? "" : $", Output = {Output}")}");
        return true;
    }
}

/// <summary>Everything a training loop needs, checked and built: what a run's specification becomes
/// when its data are at hand.</summary>
public sealed record TrainingPlan
{
    /// <summary>The run's name.</summary>
    public required string Name { get; init; }

    /// <summary>All randomness comes from it.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The layers and the parameter layout.</summary>
    public required Network Network { get; init; }

    /// <summary>What the network is judged by: a loss, or one for each of its outputs.</summary>
    public required LossSum Loss { get; init; }

    /// <summary>Which of the samples' targets each of the network's outputs is held against; empty,
    /// or null for an output: the only one, or of several the one of the output's name.</summary>
    public ImmutableArray<string?> Targets { get; init; } = [];

    /// <summary>The update rule.</summary>
    public required Optimizer Optimizer { get; init; }

    /// <summary>Layers that are trained otherwise than the rest.</summary>
    public ImmutableArray<ParameterGroup> Groups { get; init; } = [];

    /// <summary>The average that the run comes to; null: it comes to its weights.</summary>
    public Averaging? Averaging { get; init; }

    /// <summary>The learning rate over the run.</summary>
    public LearningRateSchedule Schedule { get; init; } = new ConstantSchedule();

    /// <summary>Penalties on the weights.</summary>
    public Penalty Penalty { get; init; } = Penalty.None;

    /// <summary>Limits on the gradient.</summary>
    public Clipping Clipping { get; init; } = Clipping.None;

    /// <summary>How errors are passed back.</summary>
    public BackwardRule Backward { get; init; }

    /// <summary>Rows of a global batch.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Micro-batches of a global batch, M.</summary>
    public required int MicroBatches { get; init; }

    /// <summary>Passes over the training part.</summary>
    public required int Epochs { get; init; }

    /// <summary>When to end earlier; by itself, never.</summary>
    public StopRules Stop { get; init; } = new(StopMetric.TrainingLoss);

    /// <summary>Prepared (normalized) training samples; augmentation is a separate step.</summary>
    public required IDataset Train { get; init; }

    /// <summary>Prepared validation samples; null: none, the metric is of training.</summary>
    public IDataset? Validation { get; init; }

    /// <summary>Prepared test samples, looked at once, at the end; null: none.</summary>
    public IDataset? Test { get; init; }

    /// <summary>Changes training features by rule 4; null: none.</summary>
    public IAugmentation? Augmentation { get; init; }

    /// <summary>Mixes training samples; null: none are mixed.</summary>
    public Mixup? Mixup { get; init; }

    /// <summary>Whether samples are taken in a keyed random order (else in file order).</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>The specification's canonical text, a line a key: what a checkpoint belongs to.
    /// </summary>
    public string Specification { get; init; } = "";

    /// <summary>What identifies the data, a line a dataset: part of what a checkpoint belongs to.
    /// </summary>
    public ImmutableArray<string> DataDigests { get; init; } = [];

    /// <summary>How features and targets were prepared: kept with the model, and by its targets'
    /// scale metrics are in the source's units.</summary>
    public DataPreparation Preparation { get; init; } = DataPreparation.None;

    /// <summary>How gradients become updates.</summary>
    public UpdateRules Rules =>
        new(Optimizer, Penalty, Clipping) { Groups = Groups, Averaging = Averaging };

    /// <summary>The plan of one network of an ensemble, with a seed of its own.</summary>
    /// <param name="member">Which one, counted from 0: it keeps the plan's seed.</param>
    public TrainingPlan OfMember(int member) =>
        this with { Seed = unchecked(Seed + (ulong)member) };

    /// <summary>A loader of the plan's training batches.</summary>
    /// <param name="writing">How targets are written: see
    /// <see cref="Metrics.TargetReading.Writing"/>.</param>
    public BatchLoader NewLoader(TargetWriting writing) =>
        new(Train, Seed, BatchSize, writing, Shuffle, Augmentation, Mixup);
}
