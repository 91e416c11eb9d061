using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Backprop.Console.Rendering;
using Backprop.Data;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Plugins;
using Backprop.Training;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary>What <c>describe</c> says of a run, for programs.</summary>
internal sealed record RunDescription
{
    /// <summary>The run's name.</summary>
    public required string Name { get; init; }

    /// <summary>The shape of a sample.</summary>
    public required string Input { get; init; }

    /// <summary>The layers, in order.</summary>
    public required ImmutableArray<DescribedLayer> Layers { get; init; }

    /// <summary>Parameters of all layers.</summary>
    public required long Parameters { get; init; }

    /// <summary>The training part of the data.</summary>
    public required DescribedSamples Training { get; init; }

    /// <summary>The validation part; null: none.</summary>
    public required DescribedSamples? Validation { get; init; }

    /// <summary>The test part; null: none.</summary>
    public required DescribedSamples? Test { get; init; }

    /// <summary>The loss, by its name in specifications.</summary>
    public required string Loss { get; init; }

    /// <summary>The optimizer, by its name in specifications.</summary>
    public required string Optimizer { get; init; }

    /// <summary>Its learning rate before the schedule.</summary>
    public required float LearningRate { get; init; }

    /// <summary>The schedule, by its name in specifications.</summary>
    public required string Schedule { get; init; }

    /// <summary>Layers that are trained otherwise than the rest.</summary>
    public required ImmutableArray<ParameterGroup> Groups { get; init; }

    /// <summary>The average that is the result, by its name in specifications; null: none.
    /// </summary>
    public required string? Averaging { get; init; }

    /// <summary>Samples of a global batch.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Micro-batches of a global batch.</summary>
    public required int MicroBatches { get; init; }

    /// <summary>Steps of the whole run.</summary>
    public required long TotalSteps { get; init; }

    /// <summary>Steps of an epoch.</summary>
    public required long StepsPerEpoch { get; init; }

    /// <summary>Epochs of the whole run.</summary>
    public required long Epochs { get; init; }

    /// <summary>Networks of the ensemble; 1: it is none.</summary>
    public required int Networks { get; init; }

    /// <summary>How gradients travel in a cluster.</summary>
    public required ElementEncoding Gradients { get; init; }

    /// <summary>The file of weights that it begins with; null: it begins with its layers'
    /// initializers.</summary>
    public required string? InitialWeights { get; init; }

    /// <summary>SHA-256 of those weights; null: there are none.</summary>
    public required string? InitialWeightsSha256 { get; init; }

    /// <summary>The plug-ins that its layers are of, by their kinds.</summary>
    public required ImmutableArray<PluginIdentity> Plugins { get; init; }

    /// <summary>The inputs that layers read by name; null: they read the sample.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<DescribedInput>? Inputs { get; init; }

    /// <summary>The outputs, where they are named; null: there is one, without a name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<DescribedOutput>? Outputs { get; init; }

    /// <summary>Memory to train, beside the data.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>That of a run.</summary>
    public static RunDescription Of(PlannedRun run)
    {
        TrainingPlan plan = run.Plan;
        var extent = RunExtent.Of(plan);
        return new RunDescription
        {
            Name = plan.Name,
            Input = plan.Network.InputShape.ToString(),
            Layers = [.. plan.Network.Nodes.Select(node => DescribedLayer.Of(node.Layer))],
            Parameters = plan.Network.Layout.Count,
            Training = DescribedSamples.Of(plan.Train)!,
            Validation = DescribedSamples.Of(plan.Validation),
            Test = DescribedSamples.Of(plan.Test),
            Loss = plan.Loss.Name,
            Optimizer = plan.Optimizer.Name,
            LearningRate = plan.Optimizer.LearningRate,
            Schedule = plan.Schedule.Name,
            Groups = plan.Groups,
            Averaging = plan.Averaging?.Name,
            BatchSize = plan.BatchSize,
            MicroBatches = plan.MicroBatches,
            TotalSteps = extent.TotalSteps,
            StepsPerEpoch = extent.StepsPerEpoch,
            Epochs = extent.Epochs,
            Networks = run.Specification.Members,
            Gradients = run.Specification.Transport.Gradients,
            InitialWeights = run.Specification.InitialWeights?.Value.Safetensors,
            InitialWeightsSha256 = run.Outline.InitialWeightsSha256,
            Plugins = run.Outline.Plugins,
            Inputs = run.Outline.Inputs.IsEmpty
                ? null
                : [.. run.Outline.Inputs.Select(DescribedInput.Of)],
            Outputs = plan.Network.HasNamedOutputs ? DescribedOutput.Of(plan) : null,
            MemoryBytes = run.MemoryBytes,
        };
    }
}

/// <summary>A layer.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it is, by its name in specifications.</param>
/// <param name="Output">The shape of what it makes of a sample.</param>
/// <param name="Parameters">Its parameters.</param>
internal sealed record DescribedLayer(string Name, string Kind, string Output, int Parameters)
{
    public static DescribedLayer Of(Layer layer) => new(
        layer.Name, layer.Kind, layer.OutputShape.ToString(),
        layer.Parameters.Sum(parameter => parameter.Shape.Count));
}

/// <summary>An input that layers read by name.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">The shape of what it has of a sample.</param>
/// <param name="Features">Which of a sample's features, counted from 0: <c>0-63</c>.</param>
internal sealed record DescribedInput(string Name, string Shape, string Features)
{
    public static DescribedInput Of(NetworkInput input) =>
        new(input.Name, input.Shape.ToString(), string.Join(',', input.Runs));
}

/// <summary>A named output.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">The shape of what it makes of a sample.</param>
/// <param name="Loss">Its loss.</param>
/// <param name="Weight">What its loss counts in the whole.</param>
/// <param name="Target">The target that it is held against; empty: the only one.</param>
internal sealed record DescribedOutput(
    string Name, string Shape, string Loss, float Weight, string Target)
{
    public static ImmutableArray<DescribedOutput> Of(TrainingPlan plan) =>
    [
        .. TargetReading.For(plan).Outputs.Select((output, i) => new DescribedOutput(
            output.Name, plan.Network.Outputs[i].Shape.ToString(), plan.Loss.Terms[i].Loss.Name,
            output.Weight, output.Target)),
    ];
}

/// <summary>A part of the data.</summary>
/// <param name="Samples">How many there are.</param>
/// <param name="Source">Where they are from.</param>
internal sealed record DescribedSamples(long Samples, string Source)
{
    public static DescribedSamples? Of(IDataset? samples) =>
        samples is null ? null : new(samples.Count, samples.Source);
}
