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
/// <param name="Class">The class it is taken for; null: the network gives values.</param>
/// <param name="Probability">How probable; null: the loss makes no probabilities of outputs.
/// </param>
/// <param name="Values">Every class's probability, or its output where there are none; or every
/// value in its own unit.</param>
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
        RequireSamples(file);
        using IDataset raw = Open(file, input);
        return Predict(file, raw, threads);
    }

    /// <summary>Every sample's prediction, in order.</summary>
    public static ImmutableArray<SamplePrediction> Predict(
        ModelFile file, IDataset raw, int threads)
    {
        RequireSamples(file);
        ModelHeader header = file.Model.Header;
        Network network = file.NetworkFor(raw.FeatureShape, raw.Source);
        DataPreparation preparation = file.Preparation;
        Loss loss = file.Specification.Loss.Value.Loss;
        using var pool = new ComputePool(threads);
        using var backend = new NetworkExecutor(network, loss, Rows, 1, pool);
        var evaluator = new Evaluator(
            backend, loss, new TargetReading(TargetEncoding.Values, [], [], null, []));
        IDataset samples =
            (preparation with { Targets = Normalization.None }).Apply(raw);
        int width = network.OutputShape.Count;
        using var batch = new Batch(
            Rows, samples.FeatureShape.Count, loss.TargetWidth(network.OutputShape));
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
                    first + row, outputs.AsSpan(row * width, width), loss, header,
                    preparation.Targets));
            }
        }

        return predictions.ToImmutable();
    }

    private static void RequireSamples(ModelFile file)
    {
        if (file.Specification.Data.Train.Value is DataSource.Text)
        {
            throw new MistakeException(
                "the network was trained on a text: backprop generate has it go on with one");
        }
    }

    private static IDataset Open(ModelFile file, string input)
    {
        if (!File.Exists(input))
        {
            throw new MistakeException($"there is no input '{input}'");
        }

        DataSource trained = file.Specification.Data.Train.Value;
        return (Path.GetExtension(input).ToLowerInvariant(), trained) switch
        {
            (".npy", _) => NumpyFormat.OpenFeatures(new NumpyArray(input)),
            (".npz", DataSource.Numpy { Options.Shards: [{ Features.Array: string name }, ..] }) =>
                NumpyFormat.OpenFeatures(new NumpyArray(input, name)),
            (".npz", _) => NumpyFormat.OpenFeatures(new NumpyArray(input)),
            (_, DataSource.Idx) => IdxFormat.OpenFeatures(input),
            (_, DataSource.Csv { Options: CsvOptions options }) =>
                CsvFormat.Open(ForPrediction(file, options, input)),
            _ => CsvFormat.Open(new CsvOptions
            {
                Paths = [input],
                Target = null,
                HasHeader = false,
            }),
        };
    }

    /// <summary>The training table's columns, with the categories that were found there.</summary>
    private static CsvOptions ForPrediction(ModelFile file, CsvOptions trained, string input)
    {
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
                .. file.Resolve(trained.Columns),
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
        long sample, Span<float> outputs, Loss loss, ModelHeader header, Normalization targets)
    {
        ImmutableArray<string> names = header.TargetNames;
        if (!header.HasClasses)
        {
            double[] values = loss is BinaryCrossEntropy
                ? Sigmoid(outputs)
                : Restored(outputs, targets);
            return new SamplePrediction(sample, null, null, Named(names, values));
        }

        double[]? probabilities = loss switch
        {
            SoftmaxCrossEntropy => Softmax(outputs),
            BinaryCrossEntropy => Sigmoid(outputs),
            BinaryCrossEntropyOnProbabilities => Widened(outputs),
            _ => null,
        };
        if (outputs.Length == names.Length)
        {
            int greatest = IndexOfGreatest(outputs);
            return new SamplePrediction(
                sample, names[greatest], probabilities?[greatest],
                Named(names, probabilities ?? Widened(outputs)));
        }

        // Two classes told apart by one output, as evaluation tells them.
        double threshold = loss is BinaryCrossEntropy ? 0 : 0.5;
        int best = outputs[0] > threshold ? 1 : 0;
        if (probabilities is not [double second])
        {
            return new SamplePrediction(sample, names[best], null, [("output", outputs[0])]);
        }

        double[] both = [1 - second, second];
        return new SamplePrediction(sample, names[best], both[best], Named(names, both));
    }

    private static int IndexOfGreatest(ReadOnlySpan<float> outputs)
    {
        int greatest = 0;
        for (int i = 1; i < outputs.Length; i++)
        {
            greatest = outputs[i] > outputs[greatest] ? i : greatest;
        }

        return greatest;
    }

    private static ImmutableArray<(string Name, double Value)> Named(
        ImmutableArray<string> names, double[] values) => [.. names.Zip(values)];

    private static double[] Widened(Span<float> outputs) =>
        [.. outputs.ToArray().Select(output => (double)output)];

    private static double[] Sigmoid(Span<float> outputs) =>
        [.. outputs.ToArray().Select(output => ExactMath.Sigmoid(output))];

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
        return Widened(values);
    }
}
