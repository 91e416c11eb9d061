using System.Collections.Immutable;
using Backprop.Data.Preparation;
using Backprop.Engine;

namespace Backprop.Data.Formats;

/// <summary>A table that was read: a missing number is NaN, until the preparation puts in its place
/// what <see cref="Missing"/> says.</summary>
public sealed class TableDataset : IDataset
{
    private readonly InMemoryDataset _samples;

    internal TableDataset(
        InMemoryDataset samples, ImmutableArray<MissingFill> missing, TableOptions resolved)
    {
        _samples = samples;
        Missing = missing;
        Resolved = resolved;
    }

    /// <summary>What stands in for each feature's missing values.</summary>
    public ImmutableArray<MissingFill> Missing { get; }

    /// <summary>The options with all classes and categories that were found: with other paths they
    /// read a test set, or data to predict from, into the very same features.</summary>
    public TableOptions Resolved { get; }

    /// <inheritdoc/>
    public string Source => _samples.Source;

    /// <inheritdoc/>
    public long Count => _samples.Count;

    /// <inheritdoc/>
    public Shape FeatureShape => _samples.FeatureShape;

    /// <inheritdoc/>
    public TargetSchema Target => _samples.Target;

    /// <inheritdoc/>
    public ImmutableArray<string> FeatureNames => _samples.FeatureNames;

    /// <inheritdoc/>
    public void ReadFeatures(long sample, Span<float> destination) =>
        _samples.ReadFeatures(sample, destination);

    /// <inheritdoc/>
    public void ReadTarget(long sample, Span<float> destination) =>
        _samples.ReadTarget(sample, destination);

    /// <inheritdoc/>
    public void Dispose() => _samples.Dispose();
}
