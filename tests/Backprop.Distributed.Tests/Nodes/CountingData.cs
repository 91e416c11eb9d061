using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Sources;
using Backprop.Engine;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Opens data and counts the rows that are read of them.</summary>
internal sealed class CountingData : IDataSourceOpener
{
    private readonly DataSourceOpener _opener = new();
    private int _rowsRead;

    public int RowsRead => Volatile.Read(ref _rowsRead);

    public IDataset Open(DataSource source, IDataset? train) =>
        new Counting(_opener.Open(source, train), this);

    private sealed class Counting(IDataset inner, CountingData data) : IDataset
    {
        public string Source => inner.Source;

        public long Count => inner.Count;

        public Shape FeatureShape => inner.FeatureShape;

        public TargetSchema Target => inner.Target;

        public ImmutableArray<string> FeatureNames => inner.FeatureNames;

        public void ReadFeatures(long sample, Span<float> destination)
        {
            Interlocked.Increment(ref data._rowsRead);
            inner.ReadFeatures(sample, destination);
        }

        public void ReadTarget(long sample, Span<float> destination) =>
            inner.ReadTarget(sample, destination);

        public void Dispose() => inner.Dispose();
    }
}
