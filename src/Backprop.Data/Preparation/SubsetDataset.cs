using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Data.Preparation;

/// <summary>Some samples of another dataset, which it does not own, as a dataset of its own.
/// </summary>
public sealed class SubsetDataset : IDataset
{
    private readonly IDataset _dataset;
    private readonly ImmutableArray<long> _samples;

    /// <summary>The samples of <paramref name="dataset"/> at these indices, in this order.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">An index is not in the dataset.</exception>
    public SubsetDataset(IDataset dataset, ImmutableArray<long> samples)
    {
        foreach (long sample in samples)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(
                (ulong)sample, (ulong)dataset.Count, nameof(samples));
        }

        _dataset = dataset;
        _samples = samples;
    }

    /// <inheritdoc/>
    public string Source => _dataset.Source;

    /// <inheritdoc/>
    public long Count => _samples.Length;

    /// <inheritdoc/>
    public Shape FeatureShape => _dataset.FeatureShape;

    /// <inheritdoc/>
    public TargetSchema Target => _dataset.Target;

    /// <inheritdoc/>
    public ImmutableArray<string> FeatureNames => _dataset.FeatureNames;

    /// <summary>The indices of the samples in the dataset that they were taken from.</summary>
    public ImmutableArray<long> OriginalIndices => _samples;

    /// <summary>The index that a sample has in the dataset it was taken from.</summary>
    public long OriginalIndex(long sample) => _samples[checked((int)sample)];

    /// <inheritdoc/>
    public void ReadFeatures(long sample, Span<float> destination) =>
        _dataset.ReadFeatures(OriginalIndex(sample), destination);

    /// <inheritdoc/>
    public void ReadTarget(long sample, Span<float> destination) =>
        _dataset.ReadTarget(OriginalIndex(sample), destination);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
