using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Training.Metrics;

/// <summary>Evaluates weights, or several networks' weights as an ensemble, on a set of samples.
/// </summary>
/// <remarks>One caller at a time, and not during a step of the same backend.</remarks>
public sealed class Evaluator
{
    private const int Rows = MetricsAccumulator.MicroBatchRows;

    private readonly IComputeBackend _backend;
    private readonly Loss _loss;
    private readonly TargetReading _reading;
    private readonly ComputePool _pool;
    private readonly int _outputs;
    private readonly float[] _losses = new float[Rows];

    /// <summary>An evaluator that computes with this backend.</summary>
    /// <param name="backend">With room for <see cref="MetricsAccumulator.MicroBatchRows"/> rows.
    /// </param>
    /// <param name="loss">What outputs are judged by.</param>
    /// <param name="reading">How targets are written and outputs are read.</param>
    /// <param name="pool">The threads for an ensemble's loss.</param>
    public Evaluator(
        IComputeBackend backend, Loss loss, TargetReading reading, ComputePool pool)
    {
        _backend = backend;
        _loss = loss;
        _reading = reading;
        _pool = pool;
        _outputs = backend.Network.OutputShape.Count;
    }

    /// <summary>Looks at every sample once.</summary>
    /// <param name="dataset">Prepared samples.</param>
    /// <param name="members">The weights; several: their outputs are averaged.</param>
    public EvaluationMetrics Evaluate(
        IDataset dataset, params ReadOnlySpan<AlignedBuffer> members)
    {
        var loader = BatchLoader.Sequential(dataset, Rows, _reading.Encoding);
        var metrics = new MetricsAccumulator(_reading, _outputs, dataset.Count);
        using Batch batch = loader.NewBatch(Rows);
        using var outputs = new AlignedBuffer(Rows * _outputs);
        for (int step = 0; step < loader.StepsPerEpoch; step++)
        {
            int rows = loader.GlobalRows(step);
            loader.Load(step, 0, rows, batch);
            Span<float> computed = outputs.Span[..(rows * _outputs)];
            if (members.Length == 1)
            {
                _backend.UseWeights(members[0]);
                _backend.Evaluate(batch, computed, _losses.AsSpan(0, rows));
            }
            else
            {
                Average(batch, members, computed);
                ComputeLosses(batch, outputs);
            }

            metrics.Add(
                step, computed, batch.Targets.Span[..(rows * batch.TargetWidth)],
                _losses.AsSpan(0, rows));
        }

        return metrics.Finish();
    }

    /// <summary>The averaged outputs of several networks.</summary>
    /// <param name="batch">The rows; targets are not read.</param>
    /// <param name="members">Each network's weights.</param>
    /// <param name="average">[rows, outputs], overwritten: where outputs are logits, those of the
    /// averaged probabilities.</param>
    public void Average(
        Batch batch, ReadOnlySpan<AlignedBuffer> members, Span<float> average)
    {
        // [members, rows, outputs] as computed, gathered row by row below.
        var all = new float[members.Length][];
        for (int member = 0; member < members.Length; member++)
        {
            all[member] = new float[batch.Rows * _outputs];
            _backend.UseWeights(members[member]);
            _backend.Evaluate(batch, all[member], []);
        }

        var mean = new OutputAverage(_loss, _outputs);
        float[] row = new float[members.Length * _outputs];
        for (int start = 0; start < average.Length; start += _outputs)
        {
            for (int member = 0; member < members.Length; member++)
            {
                all[member].AsSpan(start, _outputs).CopyTo(row.AsSpan(member * _outputs));
            }

            mean.Average(row, average.Slice(start, _outputs));
        }
    }

    private unsafe void ComputeLosses(Batch batch, AlignedBuffer outputs)
    {
        fixed (float* losses = _losses)
        {
            _loss.Compute(
                _pool, outputs.Pointer, batch.Targets.Pointer, batch.Rows, _outputs, 1f, losses,
                null);
        }
    }
}
