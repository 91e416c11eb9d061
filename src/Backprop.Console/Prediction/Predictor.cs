using System.Collections.Immutable;
using Backprop.Console.Storage;
using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Numerics;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Metrics;

namespace Backprop.Console.Prediction;

/// <summary>What a network makes of a sample.</summary>
/// <param name="Sample">Its index in the input.</param>
/// <param name="Class">The most probable class; null: the network gives values.</param>
/// <param name="Probability">How probable; null as well.</param>
/// <param name="Values">Every class's probability, or every value in its own unit.</param>
internal sealed record SamplePrediction(
    long Sample, string? Class, double? Probability,
    ImmutableArray<(string Name, double Value)> Values);

/// <summary>Predicts from samples without targets.</summary>
internal static class Predictor
{
    private const int Rows = MetricsAccumulator.MicroBatchRows;

    /// <summary>Every sample's prediction, in order.</summary>
    public static ImmutableArray<SamplePrediction> Predict(
        ModelFile file, string input, int threads)
    {
        ModelHeader header = file.Model.Header;
        using IDataset raw = Open(file, input);
        Network network = file.NetworkFor(raw.FeatureShape, input);
        DataPreparation preparation = DataPreparation.FromJson(input, header.Preparation);
        Loss loss = file.Specification.Loss.Value.Loss;
        using var pool = new ComputePool(threads);
        using var backend = new NetworkExecutor(network, loss, Rows, 1, pool);
        var evaluator = new Evaluator(
            backend, loss, new TargetReading(TargetEncoding.Values, [], [], null, []));
        IDataset samples =
            (preparation with { Targets = Normalization.None }).Apply(raw);
        int width = network.OutputShape.Count;
        using var batch = new Batch(
            Rows, samples.FeatureShape.Count, loss.TargetWidth(width));
        var outputs = new float[Rows * width];
        var predictions = ImmutableArray.CreateBuilder<SamplePrediction>();
        for (long first = 0; first < samples.Count; first += Rows)
        {
            Load(samples, first, batch);
            Span<float> computed = outputs.AsSpan(0, batch.Rows * width);
            evaluator.Average(batch, [.. file.Model.Members], computed);
            for (int row = 0; row < batch.Rows; row++)
            {
                predictions.Add(Read(
                    first + row, outputs.AsSpan(row * width, width), loss, header.TargetNames,
                    preparation.Targets));
            }
        }

        return predictions.ToImmutable();
    }

    private static IDataset Open(ModelFile file, string input)
    {
        if (!File.Exists(input))
        {
            throw new MistakeException($"there is no input '{input}'");
        }

        return file.Specification.Data.Train.Value switch
        {
            DataSource.Idx => IdxFormat.OpenFeatures(input),
            DataSource.Csv { Options: CsvOptions options } =>
                CsvFormat.Open(ForPrediction(options, input)),
            _ => CsvFormat.Open(new CsvOptions
            {
                Paths = [input],
                Target = null,
                HasHeader = false,
            }),
        };
    }

    /// <summary>The training table's columns, with the categories that were found there.</summary>
    private static CsvOptions ForPrediction(CsvOptions trained, string input)
    {
        bool infersCategories = trained.Columns
            .OfType<CsvColumn.Categorical>().Any(column => column.Categories is null);
        if (infersCategories)
        {
            using CsvTable table = CsvFormat.Open(trained);
            trained = table.Resolved;
        }

        IEnumerable<string> targets = trained.Target switch
        {
            CsvTarget.Class target => [target.Column],
            CsvTarget.Values target => target.Columns,
            _ => [],
        };
        string head = File.ReadLines(input).FirstOrDefault("");
        string[] names = [.. head.Split(trained.Delimiter).Select(name => name.Trim(' ', '"'))];
        return trained with
        {
            Paths = [input],
            Target = null,
            Columns =
            [
                .. trained.Columns,
                .. targets.Where(name => trained.HasHeader && names.Contains(name))
                    .Select(name => new CsvColumn.Ignored(name)),
            ],
        };
    }

    private static void Load(IDataset samples, long first, Batch batch)
    {
        batch.Rows = (int)Math.Min(Rows, samples.Count - first);
        for (int row = 0; row < batch.Rows; row++)
        {
            batch.Samples[row] = first + row;
            samples.ReadFeatures(
                first + row,
                batch.Features.Span.Slice(row * batch.FeatureWidth, batch.FeatureWidth));
        }
    }

    private static SamplePrediction Read(
        long sample, Span<float> outputs, Loss loss, ImmutableArray<string> names,
        Normalization targets)
    {
        double[] values = loss switch
        {
            SoftmaxCrossEntropy => Softmax(outputs),
            BinaryCrossEntropy => [.. outputs.ToArray().Select(o => ExactMath.Sigmoid(o))],
            _ => Restored(outputs, targets),
        };
        if (values.Length == 1 && names.Length == 2)
        {
            // Two classes told apart by one output: the probability of the second.
            values = [1 - values[0], values[0]];
        }
        else if (loss is not SoftmaxCrossEntropy)
        {
            return new SamplePrediction(sample, null, null, Named(names, values));
        }

        int best = values.IndexOf(values.Max());
        return new SamplePrediction(sample, names[best], values[best], Named(names, values));
    }

    private static ImmutableArray<(string Name, double Value)> Named(
        ImmutableArray<string> names, double[] values) => [.. names.Zip(values)];

    private static double[] Softmax(Span<float> outputs)
    {
        float[] logits = outputs.ToArray();
        double greatest = logits.Max();
        double[] exponentials = [.. logits.Select(logit => ExactMath.Exp(logit - greatest))];
        double sum = exponentials.Sum();
        return [.. exponentials.Select(value => value / sum)];
    }

    private static double[] Restored(Span<float> outputs, Normalization targets)
    {
        float[] values = outputs.ToArray();
        targets.Restore(values);
        return [.. values.Select(value => (double)value)];
    }
}
