using System.Collections.Immutable;
using Backprop.Data.Augmentations;
using Backprop.Data.Batches;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Training.Interchange;
using Backprop.Training.Protocol;

namespace Backprop.Training.Specification;

/// <summary>A value of a specification and where it stands.</summary>
/// <param name="Value">The value.</param>
/// <param name="Place">Where it stands, for mistakes that show only with the data at hand.</param>
public sealed record Placed<T>(T Value, SpecificationPlace Place);

/// <summary>A loss as it is asked for.</summary>
/// <param name="Loss">The loss.</param>
/// <param name="HasBalancedClassWeights">Whether its class weights are to be computed from the
/// training part.</param>
public sealed record LossSpecification(Loss Loss, bool HasBalancedClassWeights);

/// <summary>Layers that are trained otherwise than the rest, as they are asked for.</summary>
/// <param name="Group">The group.</param>
/// <param name="Patterns">Where each of its patterns stands.</param>
public sealed record GroupSpecification(
    ParameterGroup Group, ImmutableArray<SpecificationPlace> Patterns);

/// <summary>The data of a run.</summary>
public sealed record DataSpecification
{
    /// <summary>Samples to train on.</summary>
    public required Placed<DataSource> Train { get; init; }

    /// <summary>Validation samples of their own; null: none, or a fraction of the training samples.
    /// </summary>
    public Placed<DataSource>? Validation { get; init; }

    /// <summary>Test samples, looked at once, at the end; null: none.</summary>
    public Placed<DataSource>? Test { get; init; }

    /// <summary>How the samples are parted and prepared.</summary>
    public required PreparationOptions Preparation { get; init; }

    /// <summary>Random changes of training images, in order; null: none.</summary>
    public Placed<ImmutableArray<ImageAugmentation>>? Augmentations { get; init; }

    /// <summary>How training samples are mixed; null: they are not.</summary>
    public Placed<Mixup>? Mixup { get; init; }

    /// <summary>Whether samples are taken in a keyed random order (else in file order).</summary>
    public bool Shuffle { get; init; } = true;
}

/// <summary>Several trainings of one network, which differ in their seed, judged by their mean
/// output.</summary>
/// <param name="Seeds">How many: the run's seed and those after it.</param>
public sealed record EnsembleSpecification(int Seeds);

/// <summary>Weights of another network that a run begins with.</summary>
/// <param name="Safetensors">Their file: one of safetensors, or the index of several.</param>
/// <param name="Except">Layers that begin with their initializer all the same; a block stands for
/// those in it.</param>
/// <param name="Names">By whose names and layouts the file has the tensors.</param>
public sealed record InitialWeightsSpecification(
    string Safetensors, ImmutableArray<string> Except, TensorNames Names = TensorNames.PyTorch);

/// <summary>When checkpoints are written, and how many are kept.</summary>
/// <param name="EveryEpochs">Epochs between two; null: ends of epochs do not matter.</param>
/// <param name="EverySteps">Steps between two; null: steps do not matter.</param>
/// <param name="Every">Time between two; null: time does not matter.</param>
/// <param name="Keep">How many of the newest are kept.</param>
public sealed record CheckpointSpecification(
    int? EveryEpochs, long? EverySteps, TimeSpan? Every, int Keep)
{
    /// <summary>What holds where nothing is said: one after every epoch, the newest two kept.
    /// </summary>
    public static CheckpointSpecification Default { get; } = new(1, null, null, 2);
}

/// <summary>How many workers of a cluster share a run.</summary>
/// <param name="Min">Workers that it waits for.</param>
/// <param name="Max">Workers that it can use.</param>
public sealed record WorkersSpecification(int Min, int Max)
{
    /// <summary>What holds where nothing is said: any number of workers.</summary>
    public static WorkersSpecification Default { get; } = new(1, AssignmentPlanner.MaxWorkers);
}

/// <summary>How tensors travel between the nodes of a cluster.</summary>
/// <param name="Gradients">How pushed gradients are written.</param>
public sealed record TransportSpecification(ElementEncoding Gradients)
{
    /// <summary>What holds where nothing is said: everything travels as it is.</summary>
    public static TransportSpecification Default { get; } = new(ElementEncoding.Fp32);

    /// <summary>How a piece of a gradient is written. Running statistics are no gradients, though
    /// they travel like them: their layers' pieces are few, and travel as they are.</summary>
    public ElementEncoding OfGradient(in Piece piece) =>
        piece.IsOfStatistics ? ElementEncoding.Fp32 : Gradients;
}

/// <summary>
/// A run as its user wrote it, checked as far as it can be without its data. The reference of every
/// key is docs/specification.md.
/// </summary>
public sealed record RunSpecification
{
    /// <summary>The run's name.</summary>
    public required string Name { get; init; }

    /// <summary>All randomness comes from it.</summary>
    public required ulong Seed { get; init; }

    /// <summary>The data.</summary>
    public required DataSpecification Data { get; init; }

    /// <summary>Parts of a sample's features that layers read by name; empty: they read the sample.
    /// </summary>
    public required ImmutableArray<InputSpecification> Inputs { get; init; }

    /// <summary>The layers, from the input on.</summary>
    public required ImmutableArray<Placed<LayerDefinition>> Layers { get; init; }

    /// <summary>What it begins with; null: with the layers' initializers.</summary>
    public Placed<InitialWeightsSpecification>? InitialWeights { get; init; }

    /// <summary>How each output of the network is judged: the only one, which has no name, or those
    /// that the model names.</summary>
    public required ImmutableArray<OutputSpecification> Outputs { get; init; }

    /// <summary>Which target each output is held against, as it is asked for.</summary>
    public ImmutableArray<string?> Targets => [.. Outputs.Select(output => output.Target)];

    /// <summary>What the network is judged by, without what only the data say: balanced class
    /// weights.</summary>
    public LossSum Loss =>
        new([.. Outputs.Select(output => new LossTerm(output.Loss.Value.Loss, output.Weight))]);

    /// <summary>The update rule.</summary>
    public required Optimizer Optimizer { get; init; }

    /// <summary>Layers that are trained otherwise than the rest.</summary>
    public required ImmutableArray<GroupSpecification> Groups { get; init; }

    /// <summary>The average that the run comes to; null: it comes to its weights.</summary>
    public Averaging? Averaging { get; init; }

    /// <summary>The learning rate over the run.</summary>
    public required LearningRateSchedule Schedule { get; init; }

    /// <summary>Penalties on the weights.</summary>
    public required Penalty Penalty { get; init; }

    /// <summary>Limits on the gradient.</summary>
    public required Clipping Clipping { get; init; }

    /// <summary>How gradients become updates.</summary>
    public UpdateRules Rules => new(Optimizer, Penalty, Clipping)
    {
        Groups = [.. Groups.Select(group => group.Group)],
        Averaging = Averaging,
    };

    /// <summary>How errors are passed back.</summary>
    public required BackwardRule Backward { get; init; }

    /// <summary>Samples of a step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Micro-batches of a step, M.</summary>
    public required int MicroBatches { get; init; }

    /// <summary>Passes over the training part.</summary>
    public required int Epochs { get; init; }

    /// <summary>When to end earlier.</summary>
    public required Placed<StopRules> Stop { get; init; }

    /// <summary>Several trainings instead of one; null: one.</summary>
    public EnsembleSpecification? Ensemble { get; init; }

    /// <summary>Networks that it trains.</summary>
    public int Members => Ensemble?.Seeds ?? 1;

    /// <summary>When checkpoints are written.</summary>
    public required CheckpointSpecification Checkpoint { get; init; }

    /// <summary>How many workers of a cluster share it.</summary>
    public required WorkersSpecification Workers { get; init; }

    /// <summary>Whether the digest of every version is kept.</summary>
    public required bool Digests { get; init; }

    /// <summary>How its tensors travel between nodes.</summary>
    public required TransportSpecification Transport { get; init; }

    /// <summary>The share of micro-batches that two workers of a cluster compute; 0: none.
    /// </summary>
    public required double VerifyShare { get; init; }

    /// <summary>The specification as text, a line a key, in an order and a spelling of its own:
    /// what a checkpoint belongs to. The keys of <see cref="Checkpoint"/>,
    /// <see cref="Workers"/>, <see cref="Digests"/> and <see cref="VerifyShare"/> are left out,
    /// since they do not change the result.</summary>
    public required string CanonicalText { get; init; }

    /// <summary>The specification as one text of HOCON that stands alone: what it includes is in
    /// it, and its substitutions are made.</summary>
    public required string ResolvedText { get; init; }
}
