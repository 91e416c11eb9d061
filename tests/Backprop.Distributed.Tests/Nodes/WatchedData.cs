using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Sources;
using Backprop.Engine;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>Opens data, counts the rows that are read of them, and has something happen before
/// each.</summary>
internal sealed class WatchedData : IDataSourceOpener
{
    private readonly DataSourceOpener _opener = new();
    private Action? _onRead;
    private int _rowsRead;

    public int RowsRead => Volatile.Read(ref _rowsRead);

    /// <summary>What happens; null: nothing.</summary>
    public Action? OnRead
    {
        get => Volatile.Read(ref _onRead);
        set => Volatile.Write(ref _onRead, value);
    }

    public IDataset Open(DataSource source, IDataset? train) =>
        new Watched(_opener.Open(source, train), this);

    private sealed class Watched(IDataset inner, WatchedData data) : IDataset
    {
        public string Source => inner.Source;

        public long Count => inner.Count;

        public Shape FeatureShape => inner.FeatureShape;

        public TargetSchema Target => inner.Target;

        public ImmutableArray<string> FeatureNames => inner.FeatureNames;

        public void ReadFeatures(long sample, Span<float> destination)
        {
            Interlocked.Increment(ref data._rowsRead);
            data.OnRead?.Invoke();
            inner.ReadFeatures(sample, destination);
        }

        public void ReadTarget(long sample, Span<float> destination) =>
            inner.ReadTarget(sample, destination);

        public void Dispose() => inner.Dispose();
    }
}
