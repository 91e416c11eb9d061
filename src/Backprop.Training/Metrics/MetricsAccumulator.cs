using System.Collections.Immutable;
using Backprop.Data.Batches;
using Backprop.Engine.Gradients;

namespace Backprop.Training.Metrics;

/// <summary>
/// Gathers an evaluation. The samples are cut into evaluation micro-batches of
/// <see cref="MicroBatchRows"/> rows, whatever computes them; sums run in row order inside one and
/// up the gradient tree above, in double precision, and counts are integers. So metrics are the
/// same bits however the work is shared out, and in whichever order micro-batches come in.
/// </summary>
public sealed class MetricsAccumulator
{
    /// <summary>Rows of an evaluation micro-batch: part of what a run's metrics are.</summary>
    public const int MicroBatchRows = 256;

    private readonly TargetReading _reading;
    private readonly int _outputs;
    private readonly long _rows;
    private readonly double[] _lossSums;
    private readonly long[] _confusion;
    private readonly ValueSums[] _values;

    // Those of the named outputs.
    private readonly MetricsAccumulator[] _named;

    /// <summary>For one evaluation of a set of samples.</summary>
    /// <param name="reading">How outputs are read.</param>
    /// <param name="outputs">Outputs of the network.</param>
    /// <param name="rows">Samples in the set.</param>
    public MetricsAccumulator(TargetReading reading, int outputs, long rows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        _reading = reading;
        _outputs = outputs;
        _rows = rows;
        int microBatches = MicroBatchesOf(rows);
        _lossSums = new double[microBatches];
        _confusion = new long[reading.Counts];
        _values = [.. reading.Values.Select(_ => new ValueSums(microBatches))];
        _named =
        [
            .. reading.Outputs.Select(
                output => new MetricsAccumulator(output.Reading, output.Width, rows)),
        ];
    }

    /// <summary>Evaluation micro-batches of a set of samples.</summary>
    public static int MicroBatchesOf(long rows) =>
        checked((int)((rows + MicroBatchRows - 1) / MicroBatchRows));

    /// <summary>Takes in one evaluation micro-batch; each must come once, in any order.</summary>
    /// <param name="microBatch">Its index.</param>
    /// <param name="outputs">[rows, outputs].</param>
    /// <param name="targets">[rows, target width], encoded as the reading says.</param>
    /// <param name="losses">[rows]; where outputs are named [1 + outputs, rows]: the rows' losses,
    /// then those of each output alone.</param>
    public void Add(
        int microBatch, ReadOnlySpan<float> outputs, ReadOnlySpan<float> targets,
        ReadOnlySpan<float> losses)
    {
        int rows = losses.Length / (1 + _named.Length);
        if (_named.Length == 0)
        {
            Add(
                microBatch, new RowColumns(outputs, _outputs, 0, _outputs),
                new RowColumns(targets, targets.Length / rows, 0, targets.Length / rows), losses);
            return;
        }

        double lossSum = 0;
        foreach (float loss in losses[..rows])
        {
            lossSum += loss;
        }

        _lossSums[microBatch] = lossSum;
        int firstOutput = 0, firstTarget = 0;
        for (int i = 0; i < _named.Length; i++)
        {
            NamedReading output = _reading.Outputs[i];
            _named[i].Add(
                microBatch, new RowColumns(outputs, _outputs, firstOutput, output.Width),
                new RowColumns(targets, targets.Length / rows, firstTarget, output.TargetWidth),
                losses.Slice((i + 1) * rows, rows));
            firstOutput += output.Width;
            firstTarget += output.TargetWidth;
        }
    }

    private void Add(
        int microBatch, in RowColumns outputs, in RowColumns targets, ReadOnlySpan<float> losses)
    {
        double lossSum = 0;
        for (int row = 0; row < losses.Length; row++)
        {
            lossSum += losses[row];
            ReadOnlySpan<float> output = outputs[row], target = targets[row];
            if (_reading.Positions > 1)
            {
                CountPositions(output, target);
                continue;
            }

            if (_values.Length == 0)
            {
                _confusion[(ClassOf(target) * _reading.Classes.Length) + PredictedClass(output)]++;
                continue;
            }

            for (int i = 0; i < _values.Length; i++)
            {
                TargetScale scale = _reading.Scales[i];
                _values[i].Add(microBatch, scale.Restore(output[i]), scale.Restore(target[i]));
            }
        }

        _lossSums[microBatch] = lossSum;
    }

    /// <summary>What was summed over micro-batches [<paramref name="first"/>,
    /// <paramref name="end"/>), if no others were added.</summary>
    public MetricsPart Part(int first, int end) => new(
        first, [.. _lossSums[first..end]], [.. _confusion],
        [.. _values.Select(sums => sums.Part(first, end))])
    {
        Outputs = [.. _named.Select(output => output.Part(first, end))],
    };

    /// <summary>Takes in what somebody else summed; each micro-batch must come once, in any order.
    /// </summary>
    /// <exception cref="ArgumentException">It is of other samples, or of another network.
    /// </exception>
    public void Add(MetricsPart part)
    {
        if (part.First < 0 || part.End > _lossSums.Length || !part.Fits(_reading))
        {
            throw new ArgumentException(
                $"sums over evaluation micro-batches {part.First} to {part.End} with"
                + $" {part.Confusion.Length} counts and {part.Values.Length} targets, where"
                + $" {_lossSums.Length} micro-batches, {_confusion.Length} counts and"
                + $" {_values.Length} targets are, of {_named.Length} named outputs");
        }

        part.LossSums.CopyTo(_lossSums, part.First);
        for (int i = 0; i < _confusion.Length; i++)
        {
            _confusion[i] += part.Confusion[i];
        }

        for (int i = 0; i < _values.Length; i++)
        {
            _values[i].Add(part.First, part.Values[i]);
        }

        for (int i = 0; i < _named.Length; i++)
        {
            _named[i].Add(part.Outputs[i]);
        }
    }

    /// <summary>The metrics, once every micro-batch is in.</summary>
    public EvaluationMetrics Finish() => new()
    {
        Rows = _rows,
        Loss = GradientTree.Fold(_lossSums) / _rows,
        Classification = _values.Length + _named.Length == 0 ? Classification() : null,
        Regression = _values.Length == 0 ? null : Regression(),
        Outputs = _named.Length == 0
            ? null
            :
            [
                .. _named.Zip(
                    _reading.Outputs,
                    (metrics, output) => new OutputMetrics(output.Name, metrics.Finish())),
            ],
    };

    /// <summary>The class that outputs stand for; of equal outputs the first.</summary>
    /// <param name="output">[outputs].</param>
    public int PredictedClass(ReadOnlySpan<float> output)
    {
        if (_reading.Threshold is { } threshold)
        {
            return output[0] > threshold ? 1 : 0;
        }

        return IndexOfGreatest(output);
    }

    private static int IndexOfGreatest(ReadOnlySpan<float> values)
    {
        int greatest = 0;
        for (int i = 1; i < values.Length; i++)
        {
            if (values[i] > values[greatest])
            {
                greatest = i;
            }
        }

        return greatest;
    }

    private void CountPositions(ReadOnlySpan<float> output, ReadOnlySpan<float> target)
    {
        int classes = output.Length / target.Length;
        for (int position = 0; position < target.Length; position++)
        {
            if (target[position] == _reading.PaddingClass)
            {
                continue;
            }

            int predicted = IndexOfGreatest(output.Slice(position * classes, classes));
            _confusion[predicted == (int)target[position] ? 1 : 0]++;
        }
    }

    private int ClassOf(ReadOnlySpan<float> target) =>
        _reading.Encoding == TargetEncoding.OneHot ? IndexOfGreatest(target) : (int)target[0];

    private ClassificationMetrics Classification()
    {
        if (_reading.Positions > 1)
        {
            return new ClassificationMetrics
            {
                Accuracy = Share(_confusion[1], _confusion[0] + _confusion[1]),
                Classes = [],
                Confusion = new ConfusionMatrix([], []),
            };
        }

        var confusion = new ConfusionMatrix(_reading.Classes, [.. _confusion]);
        int classes = _reading.Classes.Length;
        var scores = ImmutableArray.CreateBuilder<ClassScores>(classes);
        long right = 0;
        for (int c = 0; c < classes; c++)
        {
            long support = 0, predicted = 0;
            for (int other = 0; other < classes; other++)
            {
                support += confusion[c, other];
                predicted += confusion[other, c];
            }

            long found = confusion[c, c];
            right += found;
            scores.Add(new ClassScores(
                _reading.Classes[c], support, Share(found, predicted), Share(found, support),
                Share(2 * found, support + predicted)));
        }

        return new ClassificationMetrics
        {
            Accuracy = Share(right, _rows),
            Classes = scores.MoveToImmutable(),
            Confusion = confusion,
        };
    }

    private RegressionMetrics Regression()
    {
        ImmutableArray<TargetScores> targets =
            [.. _values.Select((sums, i) => sums.Scores(_reading.Values[i], _rows))];
        double meanSquare = targets.Average(
            t => t.RootMeanSquaredError * t.RootMeanSquaredError);
        return new RegressionMetrics
        {
            R2 = targets.Average(t => t.R2),
            MeanAbsoluteError = targets.Average(t => t.MeanAbsoluteError),
            RootMeanSquaredError = Math.Sqrt(meanSquare),
            Targets = targets,
        };
    }

    private static double Share(long part, long whole) => whole == 0 ? 0 : (double)part / whole;

    // Some columns of a matrix, row by row.
    private readonly ref struct RowColumns(
        ReadOnlySpan<float> values, int stride, int first, int width)
    {
        private readonly ReadOnlySpan<float> _values = values;

        public ReadOnlySpan<float> this[int row] => _values.Slice((row * stride) + first, width);
    }

    // One target's sums, a number each micro-batch.
    private sealed class ValueSums(int microBatches)
    {
        private readonly double[] _absolute = new double[microBatches];
        private readonly double[] _squared = new double[microBatches];
        private readonly Moments[] _targets = new Moments[microBatches];

        public void Add(int microBatch, double output, double target)
        {
            double error = target - output;
            _absolute[microBatch] += Math.Abs(error);
            _squared[microBatch] += error * error;
            _targets[microBatch] = _targets[microBatch].With(target);
        }

        public TargetSums Part(int first, int end) => new(
            [.. _absolute[first..end]], [.. _squared[first..end]], [.. _targets[first..end]]);

        public void Add(int first, TargetSums sums)
        {
            sums.Absolute.CopyTo(_absolute, first);
            sums.Squared.CopyTo(_squared, first);
            sums.Targets.CopyTo(_targets, first);
        }

        public TargetScores Scores(string name, long rows)
        {
            double squared = GradientTree.Fold(_squared);
            double deviations = GradientTree.Fold(_targets).SquaredDeviations;
            double r2 = deviations > 0 ? 1 - (squared / deviations) : squared == 0 ? 1 : 0;
            return new TargetScores(
                name, r2, GradientTree.Fold(_absolute) / rows, Math.Sqrt(squared / rows));
        }
    }
}
