using System.Collections.Immutable;

namespace Backprop.Models;

/// <summary>A number with a name.</summary>
/// <param name="Name">A class, or a value.</param>
/// <param name="Value">Its probability, or the value.</param>
public readonly record struct NamedValue(string Name, double Value);

/// <summary>What a network makes of a sample.</summary>
/// <param name="Sample">Its index in what was predicted from, from 0.</param>
/// <param name="Class">The class it is taken for; null: the network gives values.</param>
/// <param name="Probability">How probable; null: the loss makes no probabilities of outputs.
/// </param>
/// <param name="Values">Every class's probability, or its output where there are none; or every
/// value in its own unit.</param>
public sealed record Prediction(
    long Sample, string? Class, double? Probability, ImmutableArray<NamedValue> Values)
{
    /// <summary>Where the network's outputs are named, what each of them says, in their order; the
    /// rest is then empty. Empty: it has one, without a name.</summary>
    public ImmutableArray<NamedPrediction> Outputs { get; init; } = [];
}

/// <summary>What one of a network's named outputs makes of a sample.</summary>
/// <param name="Name">The output.</param>
/// <param name="Prediction">Its own.</param>
public sealed record NamedPrediction(string Name, Prediction Prediction);
