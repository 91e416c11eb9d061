using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Data.Preparation;
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
    /// <summary>The reading that a plan needs.</summary>
    /// <exception cref="ArgumentException">Network, loss and targets do not go together; the
    /// message says what would.</exception>
    public static TargetReading For(TrainingPlan plan)
    {
        int outputs = plan.Network.OutputShape.Count;
        TargetReading reading = plan.Train.Target switch
        {
            TargetSchema.Class target => ForClasses(plan.Loss, target.Classes, outputs),
            TargetSchema.Values target when plan.Loss.Target == TargetKind.Values =>
                ForValues(target.Names, outputs, plan.Preparation.Targets),
            _ => throw new ArgumentException(
                $"{plan.Loss.Name} needs classes, and the targets of {plan.Train.Source} are"
                + " values"),
        };
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
        ImmutableArray<string> names, int outputs, Normalization normalization)
    {
        if (outputs != names.Length)
        {
            throw new ArgumentException(
                $"the network has {outputs} outputs for {names.Length} target values: give its last"
                + $" layer {names.Length}");
        }

        ImmutableArray<TargetScale> scales =
        [
            .. names.Select((_, i) => normalization.Offsets.IsEmpty
                ? TargetScale.Identity
                : new TargetScale(
                    normalization.Spreads[i % normalization.Spreads.Length],
                    normalization.Offsets[i % normalization.Offsets.Length])),
        ];
        return new TargetReading(TargetEncoding.Values, [], names, null, scales);
    }
}

/// <summary>How a prepared target is read in its own unit: value·<paramref name="Factor"/> +
/// <paramref name="Offset"/>.</summary>
/// <param name="Factor">Units of the target in one unit of the prepared value.</param>
/// <param name="Offset">The target that the prepared value 0 stands for.</param>
public readonly record struct TargetScale(double Factor, double Offset)
{
    /// <summary>Targets that were not normalized.</summary>
    public static TargetScale Identity { get; } = new(1, 0);

    /// <summary>The target, in its own unit.</summary>
    public double Restore(double prepared) => (prepared * Factor) + Offset;
}
