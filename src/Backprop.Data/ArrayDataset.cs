using System.Collections.Immutable;
using System.Globalization;
using Backprop.Data.Storage;
using Backprop.Engine;

namespace Backprop.Data;

/// <summary>What the numbers of a target array mean.</summary>
public enum ArrayTarget
{
    /// <summary>One class index a sample.</summary>
    Class,

    /// <summary>One or more real values a sample.</summary>
    Values,
}

/// <summary>Samples in a pair of array files, features and targets, kept as their files hold them:
/// mapped where a file is not compressed.</summary>
public sealed class ArrayDataset : IDataset
{
    /// <summary>The most classes a set may have where their number is not given: a wrong label
    /// file shall not become a million outputs.</summary>
    public const int MaxInferredClasses = 65_536;

    private readonly NumericArray _features;
    private readonly NumericArray? _targets;

    private ArrayDataset(NumericArray features, NumericArray? targets, TargetSchema target)
    {
        _features = features;
        _targets = targets;
        Target = target;
        FeatureShape = features.ItemShape.Dimensions.IsEmpty ? Shape.Of(1) : features.ItemShape;
    }

    /// <inheritdoc/>
    public string Source => _features.Source;

    /// <inheritdoc/>
    public long Count => _features.Count;

    /// <inheritdoc/>
    public Shape FeatureShape { get; }

    /// <inheritdoc/>
    public TargetSchema Target { get; }

    /// <inheritdoc/>
    public ImmutableArray<string> FeatureNames => [];

    /// <summary>Opens the arrays of one or more data shards, checks them and makes a dataset of
    /// them; after a mistake none is left open. Classes that are not given are counted over all
    /// shards and named by their numbers.</summary>
    internal static IDataset Open(
        IReadOnlyList<(Func<NumericArray> Features, Func<NumericArray> Targets)> shards,
        ArrayTarget target, ImmutableArray<string>? classes,
        ImmutableArray<string>? names = null)
    {
        ArgumentOutOfRangeException.ThrowIfZero(shards.Count, nameof(shards));
        var opened = new List<NumericArray>();
        try
        {
            foreach ((Func<NumericArray> features, Func<NumericArray> targets) in shards)
            {
                opened.Add(features());
                opened.Add(targets());
            }

            return Of(
                [.. opened.Chunk(2).Select(pair => (pair[0], pair[1]))], target, classes, names);
        }
        catch
        {
            opened.ForEach(array => array.Dispose());
            throw;
        }
    }

    /// <summary>Features alone, to predict from.</summary>
    internal static IDataset OfFeatures(NumericArray array)
    {
        try
        {
            array.RequireFinite();
            return new ArrayDataset(array, null, new TargetSchema.Values([]));
        }
        catch
        {
            array.Dispose();
            throw;
        }
    }

    private static IDataset Of(
        IReadOnlyList<(NumericArray Features, NumericArray Targets)> shards, ArrayTarget target,
        ImmutableArray<string>? classes, ImmutableArray<string>? names)
    {
        int largest = 0;
        foreach ((NumericArray features, NumericArray targets) in shards)
        {
            RequireSameCount(features, targets);
            features.RequireFinite();
            targets.RequireFinite();
            if (target == ArrayTarget.Class)
            {
                RequireOneLabel(targets);
                largest = Math.Max(
                    largest, targets.RequireLabels(classes?.Length, MaxInferredClasses));
            }
        }

        TargetSchema schema = target == ArrayTarget.Class
            ? new TargetSchema.Class(classes ?? Numbered(largest + 1))
            : new TargetSchema.Values(NamesOf(shards[0].Targets, names));
        return ConcatenatedDataset.Of(
            [.. shards.Select(s => new ArrayDataset(s.Features, s.Targets, schema))]);
    }

    /// <inheritdoc/>
    public void ReadFeatures(long sample, Span<float> destination) =>
        _features.Read(sample, destination);

    /// <inheritdoc/>
    public void ReadTarget(long sample, Span<float> destination) =>
        _targets?.Read(sample, destination);

    /// <inheritdoc/>
    public void Dispose()
    {
        _features.Dispose();
        _targets?.Dispose();
    }

    private static ImmutableArray<string> Numbered(int count) =>
        [.. Enumerable.Range(0, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];

    private static ImmutableArray<string> NamesOf(
        NumericArray targets, ImmutableArray<string>? names)
    {
        int width = targets.ItemShape.Count;
        if (names is null)
        {
            return [.. Numbered(width).Select(number => "target" + number)];
        }

        return names.Value.Length == width
            ? names.Value
            : throw new InvalidDatasetException(
                targets.Source, $"a sample has {width} values, and {names.Value.Length} names",
                "name each of them, or none");
    }

    private static void RequireSameCount(NumericArray features, NumericArray targets)
    {
        if (features.Count != targets.Count)
        {
            throw new InvalidDatasetException(
                targets.Source,
                $"{targets.Count:N0} targets for the {features.Count:N0} samples of "
                + features.Source,
                "name two files that belong together");
        }
    }

    private static void RequireOneLabel(NumericArray targets)
    {
        if (targets.ItemShape.Count != 1)
        {
            throw new InvalidDatasetException(
                targets.Source, $"a sample has {targets.ItemShape.Count} labels",
                "give one class index a sample, or declare the targets as values");
        }
    }
}
