using System.Collections.Immutable;

namespace Backprop.Data.Preparation;

/// <summary>How often each class of a dataset occurs: what stratification and balanced class
/// weights are made from.</summary>
public static class ClassCounts
{
    /// <summary>Counts the samples of each class, by class index; of sequences the positions.
    /// </summary>
    /// <exception cref="ArgumentException">The targets are not classes.</exception>
    public static ImmutableArray<long> Of(IDataset dataset)
    {
        if (dataset.Target is not TargetSchema.Class target)
        {
            throw new ArgumentException(
                $"{dataset.Source} has values for targets, not classes", nameof(dataset));
        }

        var counts = new long[target.Classes.Length];
        var labels = new float[target.Width];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            dataset.ReadTarget(sample, labels);
            foreach (float label in labels)
            {
                counts[(int)label]++;
            }
        }

        return [.. counts];
    }
}
