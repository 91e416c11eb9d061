using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Metrics;

namespace Backprop.Models;

/// <summary>Makes something of a sample's outputs.</summary>
/// <param name="sample">Its index.</param>
/// <param name="outputs">[outputs].</param>
internal delegate T OutputReader<out T>(long sample, ReadOnlySpan<float> outputs);

/// <summary>Buffers and threads that outputs are computed with. One caller at a time.</summary>
internal sealed class ModelComputation : IDisposable
{
    private readonly ComputePool _pool;
    private readonly NetworkExecutor _executor;
    private readonly Evaluator _evaluator;
    private readonly Batch _batch;
    private readonly float[] _outputs;
    private readonly int _rows;
    private readonly int _width;

    /// <summary>For a network, so many rows at a time.</summary>
    public ModelComputation(Network network, LossSum loss, int rows, int threads)
    {
        _rows = rows;
        _width = network.OutputShape.Count;
        _pool = new ComputePool(threads);
        _executor = new NetworkExecutor(network, loss, rows, 1, _pool);
        _evaluator = new Evaluator(
            _executor, loss, new TargetReading(TargetEncoding.Values, [], [], null, []));
        _batch = new Batch(
            rows, network.InputShape.Count, loss.TargetWidth(network));
        _outputs = new float[rows * _width];
    }

    /// <summary>Every sample's outputs, averaged over the members, in order.</summary>
    /// <param name="samples">Prepared samples.</param>
    /// <param name="members">Each member's weights.</param>
    /// <param name="read">Makes something of each sample's outputs.</param>
    public ImmutableArray<T> Compute<T>(
        IDataset samples, ImmutableArray<AlignedBuffer> members,
        OutputReader<T> read)
    {
        var results = ImmutableArray.CreateBuilder<T>();
        for (long first = 0; first < samples.Count; first += _rows)
        {
            Load(samples, first);
            _evaluator.Average(
                _batch, members.AsSpan(), _outputs.AsSpan(0, _batch.Rows * _width));
            for (int row = 0; row < _batch.Rows; row++)
            {
                results.Add(read(first + row, _outputs.AsSpan(row * _width, _width)));
            }
        }

        return results.ToImmutable();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _batch.Dispose();
        _executor.Dispose();
        _pool.Dispose();
    }

    private void Load(IDataset samples, long first)
    {
        _batch.Rows = (int)Math.Min(_rows, samples.Count - first);
        for (int row = 0; row < _batch.Rows; row++)
        {
            _batch.Samples[row] = first + row;
            samples.ReadFeatures(
                first + row,
                _batch.Features.Span.Slice(row * _batch.FeatureWidth, _batch.FeatureWidth));
        }
    }
}
