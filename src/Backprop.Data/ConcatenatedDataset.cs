using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Data;

/// <summary>Several datasets of one schema read as one, in the order given: data shards.</summary>
public sealed class ConcatenatedDataset : IDataset
{
    private readonly ImmutableArray<IDataset> _shards;
    private readonly long[] _ends;

    private ConcatenatedDataset(ImmutableArray<IDataset> shards)
    {
        _shards = shards;
        _ends = new long[shards.Length];
        for (int i = 0; i < shards.Length; i++)
        {
            Count += shards[i].Count;
            _ends[i] = Count;
        }

        Source = $"{shards[0].Source} and {shards.Length - 1} more";
    }

    /// <inheritdoc/>
    public string Source { get; }

    /// <inheritdoc/>
    public long Count { get; }

    /// <inheritdoc/>
    public Shape FeatureShape => _shards[0].FeatureShape;

    /// <inheritdoc/>
    public TargetSchema Target => _shards[0].Target;

    /// <inheritdoc/>
    public ImmutableArray<string> FeatureNames => _shards[0].FeatureNames;

    /// <summary>Reads shards as one dataset; a single one is returned as it is. The result owns
    /// the shards.</summary>
    /// <exception cref="InvalidDatasetException">Two shards differ in shape, targets or names.
    /// </exception>
    public static IDataset Of(params ImmutableArray<IDataset> shards)
    {
        ArgumentOutOfRangeException.ThrowIfZero(shards.Length, nameof(shards));
        foreach (IDataset shard in shards.AsSpan()[1..])
        {
            DatasetSchema.RequireEqual(shards[0], shard);
        }

        return shards.Length == 1 ? shards[0] : new ConcatenatedDataset(shards);
    }

    /// <inheritdoc/>
    public void ReadFeatures(long sample, Span<float> destination)
    {
        (IDataset shard, long index) = Find(sample);
        shard.ReadFeatures(index, destination);
    }

    /// <inheritdoc/>
    public void ReadTarget(long sample, Span<float> destination)
    {
        (IDataset shard, long index) = Find(sample);
        shard.ReadTarget(index, destination);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (IDataset shard in _shards)
        {
            shard.Dispose();
        }
    }

    private (IDataset Shard, long Index) Find(long sample)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((ulong)sample, (ulong)Count);
        int found = Array.BinarySearch(_ends, sample + 1);
        int shard = found >= 0 ? found : ~found;
        return (_shards[shard], shard == 0 ? sample : sample - _ends[shard - 1]);
    }
}
