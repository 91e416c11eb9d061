using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;

namespace Backprop.Training.Metrics;

/// <summary>Evaluates weights, or several networks' weights as an ensemble, on a set of samples.
/// </summary>
/// <remarks>One caller at a time, and not during a step of the same backend.</remarks>
public sealed class Evaluator
{
    private const int Rows = MetricsAccumulator.MicroBatchRows;

    private readonly IComputeBackend _backend;
    private readonly LossSum _loss;
    private readonly TargetReading _reading;
    private readonly Network _network;
    private readonly int _outputs;
    private readonly float[] _losses;

    /// <summary>An evaluator that computes with this backend.</summary>
    /// <param name="backend">With room for <see cref="MetricsAccumulator.MicroBatchRows"/> rows.
    /// </param>
    /// <param name="loss">What outputs are judged by, a term each.</param>
    /// <param name="reading">How targets are written and outputs are read.</param>
    public Evaluator(IComputeBackend backend, LossSum loss, TargetReading reading)
    {
        _backend = backend;
        _loss = loss;
        _reading = reading;
        _network = backend.Network;
        _outputs = _network.OutputShape.Count;
        _losses = new float[Rows * _network.LossesOfRow];
    }

    /// <summary>Looks at every sample once.</summary>
    /// <param name="dataset">Prepared samples.</param>
    /// <param name="members">The weights; several: their outputs are averaged.</param>
    public EvaluationMetrics Evaluate(
        IDataset dataset, params ReadOnlySpan<AlignedBuffer> members)
    {
        var metrics = new MetricsAccumulator(_reading, _outputs, dataset.Count);
        int microBatches = MetricsAccumulator.MicroBatchesOf(dataset.Count);
        Gather(dataset, 0, microBatches, members, metrics);
        return metrics.Finish();
    }

    /// <summary>Looks at evaluation micro-batches [<paramref name="first"/>,
    /// <paramref name="end"/>) alone: a share of what <see cref="Evaluate"/> does.</summary>
    /// <param name="dataset">Prepared samples.</param>
    /// <param name="first">The first micro-batch.</param>
    /// <param name="end">One past the last.</param>
    /// <param name="weights">The weights.</param>
    public MetricsPart EvaluatePart(IDataset dataset, int first, int end, AlignedBuffer weights)
    {
        var metrics = new MetricsAccumulator(_reading, _outputs, dataset.Count);
        Gather(dataset, first, end, [weights], metrics);
        return metrics.Part(first, end);
    }

    /// <summary>The outputs of one network, or the average of several.</summary>
    /// <param name="batch">The rows; targets are not read.</param>
    /// <param name="members">Each network's weights.</param>
    /// <param name="outputs">[rows, outputs], overwritten. Of several networks whose outputs are
    /// logits, the logits of the averaged probabilities.</param>
    public void Average(Batch batch, ReadOnlySpan<AlignedBuffer> members, Span<float> outputs)
    {
        if (members.Length == 1)
        {
            _backend.UseWeights(members[0]);
            _backend.Evaluate(batch, outputs, []);
            return;
        }

        // [members][rows, outputs] as computed.
        var all = new float[members.Length][];
        for (int member = 0; member < members.Length; member++)
        {
            all[member] = new float[batch.Rows * _outputs];
            _backend.UseWeights(members[member]);
            _backend.Evaluate(batch, all[member], []);
        }

        int first = 0;
        for (int i = 0; i < _loss.Terms.Length; i++)
        {
            Shape shape = _network.Outputs[i].Shape;
            Average(_loss.Terms[i].Loss, all, first, shape, outputs);
            first += shape.Count;
        }
    }

    // One output's, which begin with each row's number first: by the row, or by its positions.
    private void Average(
        Loss loss, float[][] all, int first, Shape shape, Span<float> outputs)
    {
        int judged = shape.Count / loss.PositionsOf(shape);
        var row = new float[all.Length * judged];
        var average = new OutputAverage(loss, judged);
        for (int start = first; start < outputs.Length; start += _outputs)
        {
            for (int at = start; at < start + shape.Count; at += judged)
            {
                for (int member = 0; member < all.Length; member++)
                {
                    all[member].AsSpan(at, judged).CopyTo(row.AsSpan(member * judged));
                }

                average.Average(row, outputs.Slice(at, judged));
            }
        }
    }

    private void Gather(
        IDataset dataset, int first, int end, ReadOnlySpan<AlignedBuffer> members,
        MetricsAccumulator metrics)
    {
        var loader = BatchLoader.Sequential(dataset, Rows, _reading.Writing);
        using Batch batch = loader.NewBatch(Rows);
        var outputs = new float[Rows * _outputs];
        for (int microBatch = first; microBatch < end; microBatch++)
        {
            int rows = loader.GlobalRows(microBatch);
            loader.Load(microBatch, 0, rows, batch);
            Span<float> computed = outputs.AsSpan(0, rows * _outputs);
            ReadOnlySpan<float> targets = batch.Targets.Span[..(rows * batch.TargetWidth)];
            Span<float> losses = _losses.AsSpan(0, rows * _network.LossesOfRow);
            if (members.Length == 1)
            {
                _backend.UseWeights(members[0]);
                _backend.Evaluate(batch, computed, losses);
            }
            else
            {
                Average(batch, members, computed);
                ComputeLosses(computed, targets, losses);
            }

            metrics.Add(microBatch, computed, targets, losses);
        }
    }

    // By the loss's definition, in double precision: a backend judges its own outputs only.
    private void ComputeLosses(
        ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets, Span<float> losses)
    {
        var output = new double[_outputs];
        var own = new double[_loss.Terms.Length];
        int rows = outputs.Length / _outputs, width = targets.Length / rows;
        for (int row = 0; row < rows; row++)
        {
            for (int i = 0; i < _outputs; i++)
            {
                output[i] = outputs[(row * _outputs) + i];
            }

            losses[row] = (float)_loss.Reference(
                _network, output, targets.Slice(row * width, width), own);
            for (int i = 1; i < _network.LossesOfRow; i++)
            {
                losses[(i * rows) + row] = (float)own[i - 1];
            }
        }
    }
}
