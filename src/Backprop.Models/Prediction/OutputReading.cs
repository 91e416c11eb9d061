using System.Collections.Immutable;
using Backprop.Data.Preparation;
using Backprop.Engine.Losses;
using Backprop.Engine.Numerics;

namespace Backprop.Models;

/// <summary>Reads predictions off a network's outputs.</summary>
/// <param name="modelOutputs">The model's outputs, in their order.</param>
internal sealed class OutputReading(ImmutableArray<ModelOutput> modelOutputs)
{
    /// <summary>A row's prediction.</summary>
    /// <param name="sample">Its index.</param>
    /// <param name="outputs">[outputs]; not changed.</param>
    public Prediction Read(long sample, ReadOnlySpan<float> outputs)
    {
        if (modelOutputs is [{ Name: "" } only])
        {
            return Read(only, sample, outputs);
        }

        var named = ImmutableArray.CreateBuilder<NamedPrediction>(modelOutputs.Length);
        foreach (ModelOutput output in modelOutputs)
        {
            int width = output.Shape.Count;
            named.Add(new NamedPrediction(
                output.Name, Read(output, sample, outputs[..width])));
            outputs = outputs[width..];
        }

        return new Prediction(sample, null, null, []) { Outputs = named.MoveToImmutable() };
    }

    private static Prediction Read(ModelOutput output, long sample, ReadOnlySpan<float> outputs)
    {
        (ImmutableArray<string> names, Loss loss) = (output.TargetNames, output.Loss);
        if (!output.HasClasses)
        {
            double[] values = loss is BinaryCrossEntropy
                ? Sigmoid(outputs)
                : Restored(outputs, output.Scale);
            return new Prediction(sample, null, null, Named(names, values));
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
            return new Prediction(
                sample, names[greatest], probabilities?[greatest],
                Named(names, probabilities ?? Widened(outputs)));
        }

        // Two classes told apart by one output, as evaluation tells them.
        double threshold = loss is BinaryCrossEntropy ? 0 : 0.5;
        int best = outputs[0] > threshold ? 1 : 0;
        if (probabilities is not [double second])
        {
            return new Prediction(
                sample, names[best], null, [new NamedValue("output", outputs[0])]);
        }

        double[] both = [1 - second, second];
        return new Prediction(sample, names[best], both[best], Named(names, both));
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

    private static ImmutableArray<NamedValue> Named(
        ImmutableArray<string> names, double[] values) =>
        [.. names.Zip(values, (name, value) => new NamedValue(name, value))];

    private static double[] Widened(ReadOnlySpan<float> outputs) =>
        [.. outputs.ToArray().Select(output => (double)output)];

    private static double[] Sigmoid(ReadOnlySpan<float> outputs) =>
        [.. outputs.ToArray().Select(output => ExactMath.Sigmoid(output))];

    private static double[] Softmax(ReadOnlySpan<float> outputs)
    {
        float[] logits = outputs.ToArray();
        double greatest = logits.Max();
        double[] exponentials = [.. logits.Select(logit => ExactMath.Exp(logit - greatest))];
        double sum = exponentials.Sum();
        return [.. exponentials.Select(value => value / sum)];
    }

    private static double[] Restored(ReadOnlySpan<float> outputs, Normalization scale)
    {
        float[] values = outputs.ToArray();
        scale.Restore(values);
        return Widened(values);
    }
}
