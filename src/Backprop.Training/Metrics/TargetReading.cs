using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Losses;

namespace Backprop.Training.Metrics;

/// <summary>How the targets of a run are written into batches, and how a network's outputs are read
/// against them.</summary>
/// <param name="Encoding">How targets are written.</param>
/// <param name="Classes">The classes' names; empty: targets are values.</param>
/// <param name="Values">The values' names; empty: targets are classes.</param>
/// <param name="Threshold">For two classes told apart by one output, what the second class is
/// above: 0 for a logit, ½ for a probability. Null: the greatest output names the class.</param>
/// <param name="Scales">How each value is read in its own unit.</param>
public sealed record TargetReading(
    TargetEncoding Encoding, ImmutableArray<string> Classes, ImmutableArray<string> Values,
    double? Threshold, ImmutableArray<TargetScale> Scales)
{
    /// <summary>Positions of a row, each of which has a class: 1 where rows are no sequences.
    /// </summary>
    public int Positions { get; init; } = 1;

    /// <summary>The class of positions that are passed over; null: there is none.</summary>
    public int? PaddingClass { get; init; }

    /// <summary>What an evaluation counts: of sequences, whose vocabularies may be large, the
    /// positions that were wrong and those that were right; of classes [true class, predicted
    /// class]; of values nothing.</summary>
    public int Counts => Positions > 1 ? 2 : Classes.Length * Classes.Length;

    /// <summary>The reading that a plan needs.</summary>
    /// <exception cref="ArgumentException">Network, loss and targets do not go together; the
    /// message says what would.</exception>
    public static TargetReading For(TrainingPlan plan)
    {
        TargetReading reading = For(
            plan.Loss, plan.Train.Target, plan.Network.OutputShape,
            ScalesOf(plan.Train.Target, plan.Preparation.Targets), plan.Train.Source);
        foreach (IDataset other in new[] { plan.Validation, plan.Test }.OfType<IDataset>())
        {
            if (other.Target.GetType() != plan.Train.Target.GetType()
                || other.Target.Width != plan.Train.Target.Width
                || other.FeatureShape.Count != plan.Train.FeatureShape.Count)
            {
                throw new ArgumentException(
                    $"{other.Source} is not of the kind of {plan.Train.Source}: features"
                    + $" {other.FeatureShape} where {plan.Train.FeatureShape} belong, or other"
                    + " targets");
            }
        }

        return reading;
    }

    /// <summary>The reading of a run whose samples are not at hand.</summary>
    /// <param name="loss">The loss.</param>
    /// <param name="target">What samples are labelled with.</param>
    /// <param name="outputs">The shape of a row of the network's outputs.</param>
    /// <param name="scales">How each target value is read in its own unit.</param>
    /// <param name="source">Where the samples came from, for messages.</param>
    /// <exception cref="ArgumentException">They do not go together.</exception>
    public static TargetReading For(
        Loss loss, TargetSchema target, Shape outputs, ImmutableArray<TargetScale> scales,
        string source) => target switch
    {
        TargetSchema.Class { Positions: > 1 } schema => ForSequences(loss, schema, outputs),
        TargetSchema.Class when loss.PositionsOf(outputs) > 1 => throw new ArgumentException(
            $"the network has outputs {outputs}, a row of classes at each of "
            + $"{loss.PositionsOf(outputs)} positions, and {source} has one class a sample: put a "
            + "flatten layer before the dense ones, or a position-pooling before the last"),
        TargetSchema.Class schema => ForClasses(loss, schema.Classes, outputs.Count),
        TargetSchema.Values schema when loss.Target == TargetKind.Values =>
            ForValues(schema.Names, outputs.Count, scales),
        _ => throw new ArgumentException(
            $"{loss.Name} needs classes, and the targets of {source} are values"),
    };

    private static ImmutableArray<TargetScale> ScalesOf(
        TargetSchema target, Normalization normalization) => target is not TargetSchema.Values
        ? []
        :
        [
            .. Enumerable.Range(0, target.Width).Select(i => normalization.Offsets.IsEmpty
                ? TargetScale.Identity
                : new TargetScale(
                    normalization.Spreads[i % normalization.Spreads.Length],
                    normalization.Offsets[i % normalization.Offsets.Length])
                {
                    IsLogarithmic = normalization.Method == NormalizationMethod.LogStandard,
                }),
        ];

    private static TargetReading ForSequences(
        Loss loss, TargetSchema.Class target, Shape outputs)
    {
        Shape expected = Shape.Of(target.Positions, target.Classes.Length);
        if (loss.Target != TargetKind.ClassIndex)
        {
            throw new ArgumentException(
                $"{loss.Name} needs values, and the data have a class at each of "
                + $"{target.Positions} positions: take softmax-cross-entropy");
        }

        return outputs == expected
            ? new TargetReading(TargetEncoding.ClassIndex, target.Classes, [], null, [])
            {
                Positions = target.Positions,
                PaddingClass = loss.PaddingClass,
            }
            : throw new ArgumentException(
                $"the network has outputs {outputs}, and the data have {target.Classes.Length} "
                + $"classes at each of {target.Positions} positions: its outputs must be "
                + $"{expected}, so give its last layer {target.Classes.Length} units");
    }

    private static TargetReading ForClasses(
        Loss loss, ImmutableArray<string> classes, int outputs)
    {
        if (loss.Target == TargetKind.Values && outputs == 1 && classes.Length == 2)
        {
            double threshold = loss is BinaryCrossEntropy ? 0 : 0.5;
            return new TargetReading(TargetEncoding.Values, classes, [], threshold, []);
        }

        if (outputs != classes.Length)
        {
            throw new ArgumentException(
                $"the network has {outputs} outputs for {classes.Length} classes: give its last"
                + $" layer {classes.Length}");
        }

        TargetEncoding encoding = loss.Target == TargetKind.ClassIndex
            ? TargetEncoding.ClassIndex
            : TargetEncoding.OneHot;
        return new TargetReading(encoding, classes, [], null, []);
    }

    private static TargetReading ForValues(
        ImmutableArray<string> names, int outputs, ImmutableArray<TargetScale> scales) =>
        outputs == names.Length
            ? new TargetReading(TargetEncoding.Values, [], names, null, scales)
            : throw new ArgumentException(
                $"the network has {outputs} outputs for {names.Length} target values: give its last"
                + $" layer {names.Length}");
}

/// <summary>How a prepared target is read in its own unit: value·<paramref name="Factor"/> +
/// <paramref name="Offset"/>, or e to the power of that.</summary>
/// <param name="Factor">Units of the target in one unit of the prepared value.</param>
/// <param name="Offset">The target that the prepared value 0 stands for.</param>
public readonly record struct TargetScale(double Factor, double Offset)
{
    /// <summary>Targets that were not normalized.</summary>
    public static TargetScale Identity { get; } = new(1, 0);

    /// <summary>Whether the prepared value stands for the target's logarithm.</summary>
    public bool IsLogarithmic { get; init; }

    /// <summary>The target, in its own unit.</summary>
    public double Restore(double prepared)
    {
        double value = (prepared * Factor) + Offset;
        return IsLogarithmic ? Normalization.Exponential(value) : value;
    }
}
