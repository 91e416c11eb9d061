using System.Collections.Immutable;
using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Data.Generated;

/// <summary>A fully connected network of sigmoid neurons in double precision, with random weights:
/// written for clarity, as it computes each sample once.</summary>
public sealed class TeacherNetwork
{
    private readonly bool _hasBias;

    /// <summary>The teacher of these options.</summary>
    public TeacherNetwork(GeneratedOptions.Teacher options)
    {
        _hasBias = options.Bias;
        Widths = [options.Inputs, .. options.Layers];
        Weights =
        [
            .. Enumerable.Range(0, options.Layers.Length).Select(layer => Draw(options, layer)),
        ];
    }

    /// <summary>Inputs, then the neurons of each layer.</summary>
    public ImmutableArray<int> Widths { get; }

    /// <summary>For each layer its weights, [inputs, neurons], and below them, where there are
    /// biases, a row of these.</summary>
    public ImmutableArray<ImmutableArray<double>> Weights { get; }

    /// <summary>Computes the outputs, [last layer], of one sample, [inputs].</summary>
    public double[] Compute(ReadOnlySpan<float> inputs)
    {
        var values = new double[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            values[i] = inputs[i];
        }

        for (int layer = 0; layer < Weights.Length; layer++)
        {
            values = ComputeLayer(layer, values);
        }

        return values;
    }

    private double[] ComputeLayer(int layer, double[] inputs)
    {
        ImmutableArray<double> weights = Weights[layer];
        var outputs = new double[Widths[layer + 1]];
        for (int neuron = 0; neuron < outputs.Length; neuron++)
        {
            double sum = _hasBias ? weights[(inputs.Length * outputs.Length) + neuron] : 0;
            for (int i = 0; i < inputs.Length; i++)
            {
                sum += inputs[i] * weights[(i * outputs.Length) + neuron];
            }

            outputs[neuron] = ExactMath.Sigmoid(sum);
        }

        return outputs;
    }

    private ImmutableArray<double> Draw(GeneratedOptions.Teacher options, int layer)
    {
        var random = new RandomStream(
            options.Seed, RandomPurpose.Generation, GenerationStreams.TeacherWeights);
        int count = (Widths[layer] + (options.Bias ? 1 : 0)) * Widths[layer + 1];
        return
        [
            .. Enumerable.Range(0, count).Select(i =>
                options.WeightRange
                * ((2.0 * random.Uniform((ulong)layer, (ulong)i)) - 1)),
        ];
    }
}
