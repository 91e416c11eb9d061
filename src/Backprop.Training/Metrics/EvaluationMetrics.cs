using System.Collections.Immutable;
using System.Text.Json.Serialization;
using Backprop.Engine.Numerics;

namespace Backprop.Training.Metrics;

/// <summary>How good a network is on a set of samples.</summary>
public sealed record EvaluationMetrics
{
    /// <summary>Samples looked at.</summary>
    public required long Rows { get; init; }

    /// <summary>Mean of the rows' losses: of a network with named outputs, of their weighted sums.
    /// </summary>
    public required double Loss { get; init; }

    /// <summary>Where the samples have classes, else null.</summary>
    public ClassificationMetrics? Classification { get; init; }

    /// <summary>Of sequences of classes, e to the power of the loss: among how many tokens the
    /// network hesitates; null: the samples are none.</summary>
    public double? Perplexity =>
        Classification is { IsOfSequences: true } ? ExactMath.Exp(Loss) : null;

    /// <summary>Where the samples have values, else null.</summary>
    public RegressionMetrics? Regression { get; init; }

    /// <summary>Where the network's outputs are named, each of them by itself, in their order; null
    /// where there is one without a name.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ImmutableArray<OutputMetrics>? Outputs { get; init; }

    /// <summary>What is known of an output; null: there is none of that name.</summary>
    /// <param name="output">Its name; null: the whole.</param>
    public EvaluationMetrics? Of(string? output) => output is null
        ? this
        : Outputs?.FirstOrDefault(one => one.Name == output)?.Metrics;
}

/// <summary>How good one of a network's named outputs is.</summary>
/// <param name="Name">The output.</param>
/// <param name="Metrics">Its own; its loss is without its weight.</param>
public sealed record OutputMetrics(string Name, EvaluationMetrics Metrics);

/// <summary>How often the right class was found.</summary>
public sealed record ClassificationMetrics
{
    /// <summary>Share of samples, or of positions of sequences, whose class was found.</summary>
    public required double Accuracy { get; init; }

    /// <summary>Each class's scores, by index; none of sequences.</summary>
    public required ImmutableArray<ClassScores> Classes { get; init; }

    /// <summary>What was taken for what; empty of sequences.</summary>
    public required ConfusionMatrix Confusion { get; init; }

    /// <summary>Mean of the classes' precisions, each class alike; 0 where there are none.
    /// </summary>
    public double MacroPrecision => Average(c => c.Precision);

    /// <summary>Mean of the classes' recalls, each class alike; 0 where there are none.</summary>
    public double MacroRecall => Average(c => c.Recall);

    /// <summary>Mean of the classes' F1 scores, each class alike; 0 where there are none.</summary>
    public double MacroF1 => Average(c => c.F1);

    /// <summary>Whether these are scores of sequences, which tell no classes apart.</summary>
    internal bool IsOfSequences => Classes.IsEmpty;

    private double Average(Func<ClassScores, double> score) =>
        Classes.IsEmpty ? 0 : Classes.Average(score);
}

/// <summary>One class's scores; a quotient of nothing by nothing counts as 0.</summary>
/// <param name="Name">The class.</param>
/// <param name="Support">Samples that are of it.</param>
/// <param name="Precision">Of the samples taken for it, the share that are.</param>
/// <param name="Recall">Of the samples that are of it, the share taken for it.</param>
/// <param name="F1">Harmonic mean of the two.</param>
public sealed record ClassScores(
    string Name, long Support, double Precision, double Recall, double F1);

/// <summary>How often a sample of one class was taken for another.</summary>
/// <param name="Classes">The classes' names, by index.</param>
/// <param name="Counts">[true class, predicted class], row-major.</param>
public sealed record ConfusionMatrix(ImmutableArray<string> Classes, ImmutableArray<long> Counts)
{
    /// <summary>Samples of class <paramref name="actual"/> that were taken for
    /// <paramref name="predicted"/>.</summary>
    public long this[int actual, int predicted] => Counts[(actual * Classes.Length) + predicted];
}

/// <summary>How far predicted values are off, in the targets' own units.</summary>
public sealed record RegressionMetrics
{
    /// <summary>Mean of the targets' R².</summary>
    public required double R2 { get; init; }

    /// <summary>Mean of the targets' mean absolute errors.</summary>
    public required double MeanAbsoluteError { get; init; }

    /// <summary>Root of the mean squared error over all targets.</summary>
    public required double RootMeanSquaredError { get; init; }

    /// <summary>Each target's scores.</summary>
    public required ImmutableArray<TargetScores> Targets { get; init; }
}

/// <summary>One target's scores.</summary>
/// <param name="Name">The target.</param>
/// <param name="R2">1 − Σ(target − output)² / Σ(target − mean)²; where the targets are all the
/// same, 1 if the outputs are right and 0 if not.</param>
/// <param name="MeanAbsoluteError">In the target's unit.</param>
/// <param name="RootMeanSquaredError">In the target's unit.</param>
public sealed record TargetScores(
    string Name, double R2, double MeanAbsoluteError, double RootMeanSquaredError);
