using System.Collections.Immutable;
using System.Globalization;
using Backprop.Engine;

namespace Backprop.Data;

/// <summary>Samples held as floats in memory: given in code, generated, read from a table, or
/// copied from another dataset.</summary>
public sealed class InMemoryDataset : IDataset
{
    private readonly float[] _features;
    private readonly float[] _targets;

    /// <summary>A dataset over these arrays, which must not change afterwards.</summary>
    /// <param name="source">Where it came from, for messages.</param>
    /// <param name="featureShape">The shape of one sample's features.</param>
    /// <param name="target">What samples are labelled with.</param>
    /// <param name="features">[samples, features].</param>
    /// <param name="targets">[samples, target width].</param>
    /// <param name="featureNames">Names of the features; default: none.</param>
    /// <exception cref="InvalidDatasetException">The arrays do not fit each other, a number is not
    /// finite, or a class is out of range.</exception>
    public InMemoryDataset(
        string source, Shape featureShape, TargetSchema target, float[] features, float[] targets,
        ImmutableArray<string> featureNames = default)
        : this(source, featureShape, target, features, targets, featureNames, false)
    {
    }

    /// <summary>As the public one; where <paramref name="allowMissing"/>, a feature may be NaN: a
    /// missing value that the preparation fills.</summary>
    internal InMemoryDataset(
        string source, Shape featureShape, TargetSchema target, float[] features, float[] targets,
        ImmutableArray<string> featureNames, bool allowMissing)
    {
        Source = source;
        FeatureShape = featureShape;
        Target = target;
        FeatureNames = featureNames.IsDefault ? [] : featureNames;
        Count = features.Length / featureShape.Count;
        _features = features;
        _targets = targets;
        RequireLengths();
        RequireFiniteFeatures(allowMissing);
        RequireTargets();
    }

    /// <inheritdoc/>
    public string Source { get; }

    /// <inheritdoc/>
    public long Count { get; }

    /// <inheritdoc/>
    public Shape FeatureShape { get; }

    /// <inheritdoc/>
    public TargetSchema Target { get; }

    /// <inheritdoc/>
    public ImmutableArray<string> FeatureNames { get; }

    /// <summary>A classification set given in code: a row of features and a class a sample.
    /// </summary>
    /// <param name="source">Its name, for messages.</param>
    /// <param name="features">[samples][features].</param>
    /// <param name="labels">A class index a sample.</param>
    /// <param name="classes">The classes' names, by index.</param>
    /// <exception cref="InvalidDatasetException">Rows of different lengths, different counts, a
    /// number that is not finite, or a label out of range.</exception>
    public static InMemoryDataset OfClasses(
        string source, IReadOnlyList<float[]> features, IReadOnlyList<int> labels,
        ImmutableArray<string> classes)
    {
        float[] flat = Flatten(source, "features", features, out int width);
        float[] targets = [.. labels.Select(label => (float)label)];
        return new InMemoryDataset(
            source, Shape.Of(width), new TargetSchema.Class(classes), flat, targets);
    }

    /// <summary>A regression set given in code: a row of features and a row of targets a sample.
    /// </summary>
    /// <param name="source">Its name, for messages.</param>
    /// <param name="features">[samples][features].</param>
    /// <param name="targets">[samples][values].</param>
    /// <exception cref="InvalidDatasetException">Rows of different lengths, different counts, or a
    /// number that is not finite.</exception>
    public static InMemoryDataset OfValues(
        string source, IReadOnlyList<float[]> features, IReadOnlyList<float[]> targets)
    {
        float[] flatFeatures = Flatten(source, "features", features, out int width);
        float[] flatTargets = Flatten(source, "targets", targets, out int targetWidth);
        ImmutableArray<string> names =
        [
            .. Enumerable.Range(0, targetWidth)
                .Select(i => "target" + i.ToString(CultureInfo.InvariantCulture)),
        ];
        return new InMemoryDataset(
            source, Shape.Of(width), new TargetSchema.Values(names), flatFeatures, flatTargets);
    }

    /// <summary>Copies a dataset into memory, so that preparation is not repeated every epoch.
    /// </summary>
    /// <exception cref="InvalidDatasetException">It has more numbers than an array holds, or one
    /// that is not finite.</exception>
    public static InMemoryDataset CopyOf(IDataset dataset)
    {
        int width = dataset.FeatureShape.Count;
        int targetWidth = dataset.Target.Width;
        if (dataset.Count > Array.MaxLength / Math.Max(width, targetWidth))
        {
            throw new InvalidDatasetException(
                dataset.Source, $"{dataset.Count:N0} samples of {width:N0} features are too many "
                + "to be held in memory", "use it without copying it");
        }

        var features = new float[dataset.Count * width];
        var targets = new float[dataset.Count * targetWidth];
        for (int sample = 0; sample < dataset.Count; sample++)
        {
            dataset.ReadFeatures(sample, features.AsSpan(sample * width, width));
            dataset.ReadTarget(sample, targets.AsSpan(sample * targetWidth, targetWidth));
        }

        return new InMemoryDataset(
            dataset.Source, dataset.FeatureShape, dataset.Target, features, targets,
            dataset.FeatureNames);
    }

    /// <inheritdoc/>
    public void ReadFeatures(long sample, Span<float> destination)
    {
        int width = FeatureShape.Count;
        _features.AsSpan(checked((int)(sample * width)), width).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void ReadTarget(long sample, Span<float> destination)
    {
        int width = Target.Width;
        _targets.AsSpan(checked((int)(sample * width)), width).CopyTo(destination);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    private static float[] Flatten(
        string source, string what, IReadOnlyList<float[]> rows, out int width)
    {
        if (rows.Count == 0 || rows[0].Length == 0)
        {
            throw new InvalidDatasetException(
                source, $"there are no {what}", "give at least one row of at least one number");
        }

        width = rows[0].Length;
        var flat = new float[checked(rows.Count * width)];
        for (int i = 0; i < rows.Count; i++)
        {
            if (rows[i].Length != width)
            {
                throw new InvalidDatasetException(
                    source, $"{rows[i].Length} {what} here and {width} in the first sample",
                    "give every sample the same number", new DataPosition { Sample = i });
            }

            rows[i].CopyTo(flat, i * width);
        }

        return flat;
    }

    private void RequireLengths()
    {
        if (Count == 0)
        {
            throw new InvalidDatasetException(
                Source, "there are no samples", "give at least one");
        }

        if (Count * FeatureShape.Count != _features.Length
            || Count * Target.Width != _targets.Length)
        {
            throw new InvalidDatasetException(
                Source,
                $"{_features.Length:N0} features, {FeatureShape.Count:N0} a sample, and "
                + $"{_targets.Length:N0} targets, {Target.Width:N0} a sample, do not go together",
                "give as many samples' features as samples' targets");
        }

        if (!FeatureNames.IsEmpty && FeatureNames.Length != FeatureShape.Count)
        {
            throw new InvalidDatasetException(
                Source, $"{FeatureNames.Length} feature names for {FeatureShape.Count} features",
                "name every feature or none");
        }
    }

    private void RequireFiniteFeatures(bool allowMissing)
    {
        int width = FeatureShape.Count;
        for (int i = 0; i < _features.Length; i++)
        {
            if (!float.IsFinite(_features[i]) && !(allowMissing && float.IsNaN(_features[i])))
            {
                throw new InvalidDatasetException(
                    Source, $"feature {i % width} is {_features[i]}",
                    "give finite numbers", new DataPosition { Sample = i / width });
            }
        }
    }

    private void RequireTargets()
    {
        for (int i = 0; i < _targets.Length; i++)
        {
            if (!float.IsFinite(_targets[i]))
            {
                throw new InvalidDatasetException(
                    Source, $"target {i % Target.Width} is {_targets[i]}", "give finite numbers",
                    new DataPosition { Sample = i / Target.Width });
            }
        }

        foreach (TargetPart part in Target.Parts)
        {
            if (part.Schema is TargetSchema.Class schema)
            {
                RequireLabels(part, schema.Classes.Length);
            }
        }
    }

    private void RequireLabels(TargetPart part, int classes)
    {
        for (long sample = 0; sample < Count; sample++)
        {
            int first = (int)(sample * Target.Width) + part.Offset;
            foreach (float label in _targets.AsSpan(first, part.Schema.Width))
            {
                if (label < 0 || label >= classes || label != MathF.Floor(label))
                {
                    throw new InvalidDatasetException(
                        Source,
                        $"label {label} {(part.Name.Length == 0 ? "" : $"of '{part.Name}' ")}is "
                        + "out of range",
                        $"there are {classes} classes, so labels run from 0 to {classes - 1}",
                        new DataPosition { Sample = sample });
                }
            }
        }
    }
}
