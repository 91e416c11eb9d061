using System.Collections.Immutable;
using System.Globalization;
using System.Numerics;
using Backprop.Engine.Numerics;

namespace Backprop.Data.Preparation;

/// <summary>How numbers are brought to one scale.</summary>
public enum NormalizationMethod
{
    /// <summary>Left as they are.</summary>
    None,

    /// <summary>To [0, 1] over the training part, by its least and greatest value: jointly for all
    /// features of images (two or more dimensions), for each column of a table.</summary>
    Unit,

    /// <summary>To mean 0 and standard deviation 1 over the training part, for each feature.
    /// </summary>
    Standard,

    /// <summary>The natural logarithm first, then <see cref="Standard"/>: for numbers above 0 whose
    /// ratios matter, as prices. Of targets only.</summary>
    LogStandard,
}

/// <summary>
/// A normalization fitted on the training part: y = (x − offset) / spread, where x may be the
/// logarithm of what was read. A feature that does not vary there has spread 0 and becomes 0, as it
/// has nothing to tell.
/// </summary>
public sealed record Normalization
{
    private delegate void SampleReader(long sample, Span<float> destination);

    /// <summary>Leaves numbers as they are.</summary>
    public static Normalization None { get; } = new();

    /// <summary>How it was fitted.</summary>
    public NormalizationMethod Method { get; init; }

    /// <summary>What is subtracted: one number for each feature, one for all, or, where nothing is
    /// done, none.</summary>
    public ImmutableArray<float> Offsets { get; init; } = [];

    /// <summary>What is divided by: as many numbers as <see cref="Offsets"/>; 0: the feature does
    /// not vary.</summary>
    public ImmutableArray<float> Spreads { get; init; } = [];

    /// <summary>Fits the features of a training part.</summary>
    public static Normalization OfFeatures(IDataset train, NormalizationMethod method)
    {
        bool jointly =
            method == NormalizationMethod.Unit && train.FeatureShape.Dimensions.Length > 1;
        return Fit(train.ReadFeatures, train.Count, train.FeatureShape.Count, method, jointly);
    }

    /// <summary>Fits the targets of a training part that are values; where there are several
    /// targets, those of all, in their order.</summary>
    /// <exception cref="InvalidDatasetException">The targets are classes; or logarithms are wanted
    /// of targets that are not above 0.</exception>
    public static Normalization OfTargets(IDataset train, NormalizationMethod method)
    {
        int width = train.Target.ValueWidth;
        if (method != NormalizationMethod.None && width == 0)
        {
            throw new InvalidDatasetException(
                train.Source, "its targets are classes, which cannot be normalized",
                "leave the targets as they are");
        }

        RequirePositive(train, method);
        SampleReader readValues = ValueReader(train);
        SampleReader read = method == NormalizationMethod.LogStandard
            ? (sample, values) =>
            {
                readValues(sample, values);
                TakeLogarithms(values);
            }
            : readValues;
        return Fit(read, train.Count, width, method, jointly: false);
    }

    /// <summary>The normalization of some of the numbers that this one is of.</summary>
    /// <param name="first">The first of them.</param>
    /// <param name="count">How many.</param>
    public Normalization Slice(int first, int count) => Offsets.Length <= 1
        ? this
        : this with
        {
            Offsets = Offsets.Slice(first, count),
            Spreads = Spreads.Slice(first, count),
        };

    /// <summary>y = (x − offset) / spread, in place; allocates nothing.</summary>
    /// <param name="values">One or more samples' numbers, sample after sample.</param>
    public void Apply(Span<float> values)
    {
        if (Method == NormalizationMethod.LogStandard)
        {
            TakeLogarithms(values);
        }

        for (int first = 0; Offsets.Length > 1 && first < values.Length; first += Offsets.Length)
        {
            Apply(values.Slice(first, Offsets.Length), Offsets.AsSpan(), Spreads.AsSpan());
        }

        if (Offsets.Length == 1)
        {
            Apply(values, Offsets[0], Spreads[0]);
        }
    }

    /// <summary>x = y · spread + offset, or e to the power of it, in place: back to the units of
    /// the source. What a float does not hold becomes the greatest that it does.</summary>
    /// <param name="values">One or more samples' numbers, sample after sample.</param>
    public void Restore(Span<float> values)
    {
        if (Offsets.IsEmpty)
        {
            return;
        }

        for (int i = 0; i < values.Length; i++)
        {
            int feature = i % Offsets.Length;
            double value = ((double)values[i] * Spreads[feature]) + Offsets[feature];
            values[i] = Method == NormalizationMethod.LogStandard
                ? (float)Exponential(value)
                : (float)value;
        }
    }

    /// <summary>e to the power of <paramref name="logarithm"/>, at most what a float holds: an
    /// output that is far off stays a number that can be judged.</summary>
    public static double Exponential(double logarithm) =>
        Math.Min(ExactMath.Exp(logarithm), float.MaxValue);

    /// <inheritdoc/>
    public bool Equals(Normalization? other) =>
        other is not null && Method == other.Method
        && Offsets.AsSpan().SequenceEqual(other.Offsets.AsSpan())
        && Spreads.AsSpan().SequenceEqual(other.Spreads.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Method, Offsets.Length);

    /// <summary>Whether this can be applied to samples of so many numbers.</summary>
    internal bool Fits(int width) =>
        !Offsets.IsDefault && !Spreads.IsDefault && Offsets.Length == Spreads.Length
        && (Method == NormalizationMethod.None
            ? Offsets.IsEmpty
            : Offsets.Length == 1 || Offsets.Length == width)
        && Offsets.All(float.IsFinite)
        && Spreads.All(spread => float.IsFinite(spread) && spread >= 0);

    /// <summary>Refuses targets that this cannot be applied to.</summary>
    internal void RequireSuitable(IDataset dataset) => RequirePositive(dataset, Method);

    private static void RequirePositive(IDataset dataset, NormalizationMethod method)
    {
        if (method != NormalizationMethod.LogStandard)
        {
            return;
        }

        SampleReader read = ValueReader(dataset);
        var values = new float[dataset.Target.ValueWidth];
        for (long sample = 0; sample < dataset.Count; sample++)
        {
            read(sample, values);
            foreach (float value in values)
            {
                if (!(value > 0))
                {
                    throw new InvalidDatasetException(
                        dataset.Source,
                        string.Create(
                            CultureInfo.InvariantCulture, $"its target {value} has no logarithm"),
                        "give targets above 0, or another normalize-targets than log-standard",
                        new DataPosition { Sample = sample });
                }
            }
        }
    }

    // Of several targets those that are values, side by side.
    private static SampleReader ValueReader(IDataset dataset)
    {
        if (dataset.Target is not TargetSchema.Several several)
        {
            return dataset.ReadTarget;
        }

        var all = new float[several.Width];
        return (sample, values) =>
        {
            dataset.ReadTarget(sample, all);
            foreach (TargetPart part in several.Parts)
            {
                if (part.Schema is TargetSchema.Values)
                {
                    all.AsSpan(part.Offset, part.Schema.Width).CopyTo(values);
                    values = values[part.Schema.Width..];
                }
            }
        };
    }

    private static void TakeLogarithms(Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)ExactMath.Log(values[i]);
        }
    }

    private static void Apply(Span<float> values, float offset, float spread)
    {
        if (spread == 0)
        {
            values.Clear();
            return;
        }

        int i = 0;
        for (; i + Vector<float>.Count <= values.Length; i += Vector<float>.Count)
        {
            Span<float> here = values[i..];
            ((new Vector<float>(here) - new Vector<float>(offset)) / new Vector<float>(spread))
                .CopyTo(here);
        }

        for (; i < values.Length; i++)
        {
            values[i] = (values[i] - offset) / spread;
        }
    }

    private static void Apply(
        Span<float> values, ReadOnlySpan<float> offsets, ReadOnlySpan<float> spreads)
    {
        int i = 0;
        for (; i + Vector<float>.Count <= values.Length; i += Vector<float>.Count)
        {
            var spread = new Vector<float>(spreads[i..]);
            Span<float> here = values[i..];
            Vector<float> result =
                (new Vector<float>(here) - new Vector<float>(offsets[i..])) / spread;
            Vector.ConditionalSelect(
                Vector.Equals(spread, Vector<float>.Zero), Vector<float>.Zero, result).CopyTo(here);
        }

        for (; i < values.Length; i++)
        {
            values[i] = spreads[i] == 0 ? 0 : (values[i] - offsets[i]) / spreads[i];
        }
    }

    private static Normalization Fit(
        SampleReader read, long count, int width, NormalizationMethod method, bool jointly) =>
        method switch
        {
            NormalizationMethod.None => None,
            NormalizationMethod.Unit => FitUnit(read, count, width, jointly),
            _ => FitStandard(read, count, width) with { Method = method },
        };

    private static Normalization FitUnit(SampleReader read, long count, int width, bool jointly)
    {
        var values = new float[width];
        var least = new float[width];
        var greatest = new float[width];
        Array.Fill(least, float.PositiveInfinity);
        Array.Fill(greatest, float.NegativeInfinity);
        for (long sample = 0; sample < count; sample++)
        {
            read(sample, values);
            for (int i = 0; i < width; i++)
            {
                least[i] = MathF.Min(least[i], values[i]);
                greatest[i] = MathF.Max(greatest[i], values[i]);
            }
        }

        if (jointly)
        {
            least = [least.Min()];
            greatest = [greatest.Max()];
        }

        return new Normalization
        {
            Method = NormalizationMethod.Unit,
            Offsets = [.. least],
            Spreads = [.. least.Zip(greatest, (low, high) => Spread((double)high - low))],
        };
    }

    // Two passes, sample after sample, in double: one order, so one result everywhere. Whether a
    // feature varies is asked of its values: the mean of equal numbers may be a last place off.
    private static Normalization FitStandard(SampleReader read, long count, int width)
    {
        var values = new float[width];
        var means = new double[width];
        for (long sample = 0; sample < count; sample++)
        {
            read(sample, values);
            for (int i = 0; i < width; i++)
            {
                means[i] += values[i];
            }
        }

        for (int i = 0; i < width; i++)
        {
            means[i] /= count;
        }

        var squares = new double[width];
        var varies = new bool[width];
        var first = new float[width];
        read(0, first);
        for (long sample = 0; sample < count; sample++)
        {
            read(sample, values);
            for (int i = 0; i < width; i++)
            {
                double distance = values[i] - means[i];
                squares[i] += distance * distance;
                varies[i] |= values[i] != first[i];
            }
        }

        return new Normalization
        {
            Method = NormalizationMethod.Standard,
            Offsets = [.. means.Select(mean => (float)mean)],
            Spreads =
            [
                .. squares.Select(
                    (square, i) => varies[i] ? Spread(Math.Sqrt(square / count)) : 0),
            ],
        };
    }

    private static float Spread(double value) => (float)Math.Min(value, float.MaxValue);
}
