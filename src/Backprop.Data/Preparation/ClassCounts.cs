using System.Collections.Immutable;

namespace Backprop.Data.Preparation;

/// <summary>How often each class of a dataset occurs: what stratification and balanced class
/// weights are made from.</summary>
public static class ClassCounts
{
    /// <summary>Counts the samples of each class, by class index; of sequences the positions.
    /// </summary>
    /// <param name="dataset">The samples.</param>
    /// <param name="name">Which of their targets; empty: they have one.</param>
    /// <exception cref="ArgumentException">The targets are not classes.</exception>
    public static ImmutableArray<long> Of(IDataset dataset, string name = "")
    {
        if (dataset.Target.Find(name) is not { Schema: TargetSchema.Class target } part)
        {
            throw new ArgumentException(
                $"{dataset.Source} has values for targets, not classes", nameof(dataset));
        }

        var counts = new long[target.Classes.Length];
        var targets = new float[dataset.Target.Width];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            dataset.ReadTarget(sample, targets);
            foreach (float label in targets.AsSpan(part.Offset, target.Width))
            {
                counts[(int)label]++;
            }
        }

        return [.. counts];
    }
}
