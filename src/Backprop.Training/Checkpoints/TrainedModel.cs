using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Training.Metrics;

namespace Backprop.Training.Checkpoints;

/// <summary>One of a model's named outputs.</summary>
/// <param name="Name">The output.</param>
/// <param name="Target">The target that it is held against; empty: the only one.</param>
/// <param name="TargetNames">The classes' names by index, or the values' names.</param>
/// <param name="HasClasses">Whether the target is classes.</param>
/// <param name="FirstValue">Where the target's values begin among all that are normalized.</param>
public sealed record StoredOutput(
    string Name, string Target, ImmutableArray<string> TargetNames, bool HasClasses,
    int FirstValue);

/// <summary>What a model says about itself: all that evaluation and prediction need beside the
/// weights.</summary>
/// <param name="Name">The run's name.</param>
/// <param name="Specification">The text of the specification it was trained by.</param>
/// <param name="Preparation">How features and targets are prepared, as JSON: see
/// <see cref="Data.Preparation.DataPreparation.FromJson"/>.</param>
/// <param name="TargetNames">The classes' names by index, or the values' names.</param>
/// <param name="Parameters">The layout of the flat vector.</param>
/// <param name="Length">Floats in the flat vector.</param>
/// <param name="WeightsSha256">Digest of each member's weights; one member unless it is an
/// ensemble.</param>
public sealed record ModelHeader(
    string Name, string Specification, string Preparation, ImmutableArray<string> TargetNames,
    ImmutableArray<StoredParameter> Parameters, int Length, ImmutableArray<string> WeightsSha256)
{
    /// <summary>Whether targets are classes.</summary>
    public bool HasClasses { get; init; }

    /// <summary>Of a network that was trained on a text, what says beside the tokens' names how a
    /// text is encoded; null: nothing.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>The features' names, as the training set had them; empty: it had none.</summary>
    public ImmutableArray<string> FeatureNames { get; init; } = [];

    /// <summary>The dimensions of a sample's features; empty: an earlier version wrote it.
    /// </summary>
    public ImmutableArray<int> FeatureShape { get; init; } = [];

    /// <summary>The plug-ins that its layers are of.</summary>
    public ImmutableArray<PluginIdentity> Plugins { get; init; } = [];

    /// <summary>Its outputs, where they are named: targets, classes and values are then theirs, and
    /// not the model's. Null: it has one, without a name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<StoredOutput>? Outputs { get; init; }

    /// <summary>The classes that a target of samples has; null: it is values, or no output is held
    /// against it.</summary>
    /// <param name="target">The target; empty: the only one.</param>
    public ImmutableArray<string>? ClassesOf(string target) => Outputs is { } outputs
        ? outputs.FirstOrDefault(output => output.Target == target && output.HasClasses)
            ?.TargetNames
        : HasClasses ? TargetNames : null;

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <exception cref="CheckpointException">It is no such text.</exception>
    public static ModelHeader FromJson(string json)
    {
        try
        {
            return JsonSerializer.Deserialize<ModelHeader>(json, SectionFile.Json)
                is { IsWhole: true } header
                ? header
                : throw new CheckpointException("the model's header is not whole");
        }
        catch (JsonException e)
        {
            throw new CheckpointException($"the model's header cannot be read: {e.Message}", e);
        }
    }

    /// <summary>The header as JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, SectionFile.Json);

    // What is left out of a text is default, not empty.
    private bool IsWhole => Specification is not null && Preparation is not null
        && !TargetNames.IsDefault && !Parameters.IsDefault && !WeightsSha256.IsDefault
        && !FeatureNames.IsDefault && !FeatureShape.IsDefault && !Plugins.IsDefault
        && Outputs?.All(output => output is { Name: not null, Target: not null, FirstValue: >= 0 }
            && !output.TargetNames.IsDefault) != false;
}

/// <summary>A trained network, or an ensemble of them whose outputs are averaged: weights and all
/// that is needed to use them.</summary>
public sealed class TrainedModel : IDisposable
{
    /// <summary>The most networks of an ensemble.</summary>
    public const int MaxMembers = 1024;

    /// <summary>A model of these weights; it owns them from now on.</summary>
    /// <param name="header">What it is.</param>
    /// <param name="members">Each member's weights, [length].</param>
    public TrainedModel(ModelHeader header, ImmutableArray<AlignedBuffer> members)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            members.Length, header.WeightsSha256.Length, nameof(members));
        Header = header;
        Members = members;
    }

    private static ReadOnlySpan<byte> Magic => "BKPMODEL"u8;

    /// <summary>What it is.</summary>
    public ModelHeader Header { get; }

    /// <summary>Each member's weights, [length].</summary>
    public ImmutableArray<AlignedBuffer> Members { get; }

    /// <summary>The model that a plan's training has come to.</summary>
    /// <param name="plan">What was trained.</param>
    /// <param name="members">Each member's weights, [length]; they are copied.</param>
    public static TrainedModel Of(
        TrainingPlan plan, params ReadOnlySpan<AlignedBuffer> members)
    {
        ParameterLayout layout = plan.Network.Layout;
        var copies = ImmutableArray.CreateBuilder<AlignedBuffer>(members.Length);
        var digests = ImmutableArray.CreateBuilder<string>(members.Length);
        foreach (AlignedBuffer member in members)
        {
            copies.Add(RunState.CopyOf(member));
            digests.Add(WeightsDigest.OfWeights(layout, member));
        }

        bool isNamed = plan.Network.HasNamedOutputs;
        ImmutableArray<string> targets = isNamed ? [] : NamesOf(plan.Train.Target);
        var header = new ModelHeader(
            plan.Name, plan.Specification, plan.Preparation.ToJson(), targets,
            StoredParameter.Of(layout), layout.Length, digests.MoveToImmutable())
        {
            HasClasses = !isNamed && plan.Train.Target is TargetSchema.Class,
            Outputs = isNamed ? OutputsOf(plan) : null,
            Tokenizer = (plan.Train.Target as TargetSchema.Class)?.Tokenizer,
            FeatureNames = plan.Train.FeatureNames,
            FeatureShape = plan.Train.FeatureShape.Dimensions,
            Plugins = PluginIdentity.Of(plan.Network),
        };
        return new TrainedModel(header, copies.MoveToImmutable());
    }

    private static ImmutableArray<string> NamesOf(TargetSchema schema) => schema switch
    {
        TargetSchema.Class target => target.Classes,
        TargetSchema.Values target => target.Names,
        _ => throw new ArgumentException($"unknown targets {schema}"),
    };

    private static ImmutableArray<StoredOutput> OutputsOf(TrainingPlan plan)
    {
        TargetSchema target = plan.Train.Target;
        return
        [
            .. from output in TargetReading.For(plan).Outputs
               let part = target.Find(output.Target)!
               select new StoredOutput(
                   output.Name, part.Name, NamesOf(part.Schema), part.Schema is TargetSchema.Class,
                   target.FirstValueOf(part)),
        ];
    }

    /// <summary>Writes the model; the caller sees to it that the stream is durable.</summary>
    /// <exception cref="IOException">From the stream.</exception>
    public void WriteTo(Stream destination) =>
        SectionFile.Write(Magic, Header, Members, destination);

    /// <summary>Reads a model from the stream's position to its end.</summary>
    /// <param name="source">Must be seekable.</param>
    /// <exception cref="CheckpointException">It is no model, of another version, or damaged.
    /// </exception>
    /// <exception cref="IOException">From the stream.</exception>
    public static TrainedModel ReadFrom(Stream source)
    {
        (ModelHeader header, ImmutableArray<AlignedBuffer> sections) =
            SectionFile.Read<ModelHeader>(Magic, "model", SectionLengths, source);
        return new TrainedModel(header, sections);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (AlignedBuffer member in Members)
        {
            member.Dispose();
        }
    }

    private static long[] SectionLengths(ModelHeader header)
    {
        if (header.Length < 0 || header.WeightsSha256.Length is < 1 or > MaxMembers)
        {
            throw new CheckpointException(
                $"the model is malformed: {header.WeightsSha256.Length} members"
                + $" of {header.Length} parameters");
        }

        return [.. Enumerable.Repeat((long)header.Length, header.WeightsSha256.Length)];
    }
}
