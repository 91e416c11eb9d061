using System.Collections.Immutable;

namespace Backprop.Data.Preparation;

/// <summary>What stands in for a missing value.</summary>
public enum MissingPolicy
{
    /// <summary>Nothing: a missing value is refused.</summary>
    Error,

    /// <summary>The mean of the values that the training part has.</summary>
    Mean,

    /// <summary>The median of the values that the training part has; of an even number, the mean
    /// of the two in the middle.</summary>
    Median,

    /// <summary>A constant.</summary>
    Constant,
}

/// <summary>What stands in for a missing value of one feature.</summary>
/// <param name="Policy">The rule.</param>
/// <param name="Constant">The value of <see cref="MissingPolicy.Constant"/>.</param>
public readonly record struct MissingFill(MissingPolicy Policy, float Constant = 0);

/// <summary>The values that stand in for missing ones, which a dataset gives as NaN, fitted on the
/// training part.</summary>
public sealed record Imputation
{
    /// <summary>For datasets that miss nothing.</summary>
    public static Imputation None { get; } = new();

    /// <summary>The stand-in of each feature; empty: nothing is ever missing.</summary>
    public ImmutableArray<float> Values { get; init; } = [];

    /// <summary>Fits the stand-ins of a training part.</summary>
    /// <param name="train">The training part, missing values as NaN.</param>
    /// <param name="fills">A rule for each feature, or none at all.</param>
    /// <exception cref="InvalidDatasetException">A feature has no value in the training part to
    /// take the mean or the median of.</exception>
    public static Imputation Fit(IDataset train, ImmutableArray<MissingFill> fills)
    {
        if (fills.All(fill => fill.Policy == MissingPolicy.Error))
        {
            return None;
        }

        ArgumentOutOfRangeException.ThrowIfNotEqual(
            fills.Length, train.FeatureShape.Count, nameof(fills));
        var sample = new float[fills.Length];
        List<float>[] present = [.. fills.Select(_ => new List<float>())];
        for (long i = 0; i < train.Count; i++)
        {
            train.ReadFeatures(i, sample);
            for (int feature = 0; feature < fills.Length; feature++)
            {
                bool needed =
                    fills[feature].Policy is MissingPolicy.Mean or MissingPolicy.Median;
                if (needed && !float.IsNaN(sample[feature]))
                {
                    present[feature].Add(sample[feature]);
                }
            }
        }

        return new Imputation
        {
            Values = [.. fills.Select((fill, feature) => Fit(train, fill, feature, present))],
        };
    }

    /// <summary>Puts the stand-ins in the place of NaNs; allocates nothing.</summary>
    public void Apply(Span<float> features)
    {
        for (int i = 0; i < Values.Length; i++)
        {
            if (float.IsNaN(features[i]))
            {
                features[i] = Values[i];
            }
        }
    }

    /// <inheritdoc/>
    public bool Equals(Imputation? other) =>
        other is not null && Values.AsSpan().SequenceEqual(other.Values.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Values.Length;

    /// <summary>Whether this can be applied to samples of so many features.</summary>
    internal bool Fits(int width) =>
        !Values.IsDefault && (Values.IsEmpty || Values.Length == width)
        && Values.All(float.IsFinite);

    private static float Fit(
        IDataset train, MissingFill fill, int feature, List<float>[] present)
    {
        List<float> values = present[feature];
        if (fill.Policy is MissingPolicy.Error or MissingPolicy.Constant)
        {
            return fill.Constant;
        }

        if (values.Count == 0)
        {
            throw new InvalidDatasetException(
                train.Source, $"the training part has no value to take the "
                + $"{(fill.Policy == MissingPolicy.Mean ? "mean" : "median")} of",
                "ignore the column or fill it with a constant",
                new DataPosition { Column = NameOf(train, feature) });
        }

        return fill.Policy == MissingPolicy.Mean ? Mean(values) : Median(values);
    }

    private static string NameOf(IDataset train, int feature) =>
        train.FeatureNames.IsEmpty ? $"{feature + 1}" : train.FeatureNames[feature];

    private static float Mean(List<float> values) =>
        (float)(values.Aggregate(0.0, (sum, value) => sum + value) / values.Count);

    private static float Median(List<float> values)
    {
        values.Sort();
        int middle = values.Count / 2;
        return values.Count % 2 == 1
            ? values[middle]
            : (float)(((double)values[middle - 1] + values[middle]) / 2);
    }
}
