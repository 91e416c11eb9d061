using Backprop.Engine.Losses;
using Backprop.Engine.Numerics;

namespace Backprop.Training.Metrics;

/// <summary>
/// The average of several networks' outputs for the same row: of probabilities where outputs are
/// logits, else of the outputs themselves. Averaged probabilities are given back as logits, so that
/// whoever reads outputs reads those of an ensemble just so.
/// </summary>
internal sealed class OutputAverage
{
    private readonly Kind _kind;
    private readonly double[] _sums;
    private readonly double[] _row;

    /// <summary>For networks with so many outputs, trained by this loss.</summary>
    public OutputAverage(Loss loss, int outputs)
    {
        _kind = KindOf(loss);
        _sums = new double[outputs];
        _row = new double[outputs];
    }

    private enum Kind
    {
        Values,
        SigmoidLogits,
        SoftmaxLogits,
    }

    /// <summary>Averages one row.</summary>
    /// <param name="members">[members, outputs]: every member's outputs for the row.</param>
    /// <param name="average">[outputs], overwritten.</param>
    public void Average(ReadOnlySpan<float> members, Span<float> average)
    {
        int outputs = _sums.Length, count = members.Length / outputs;
        Array.Clear(_sums);
        for (int member = 0; member < count; member++)
        {
            Probabilities(members.Slice(member * outputs, outputs));
            for (int i = 0; i < outputs; i++)
            {
                _sums[i] += _row[i];
            }
        }

        for (int i = 0; i < outputs; i++)
        {
            average[i] = (float)Logit(_sums[i] / count);
        }
    }

    private static Kind KindOf(Loss loss) => loss switch
    {
        SoftmaxCrossEntropy => Kind.SoftmaxLogits,
        BinaryCrossEntropy => Kind.SigmoidLogits,
        _ => Kind.Values,
    };

    // Into _row: what the outputs say in the space that is averaged in.
    private void Probabilities(ReadOnlySpan<float> outputs)
    {
        double greatest = 0, sum = 0;
        if (_kind == Kind.SoftmaxLogits)
        {
            greatest = double.NegativeInfinity;
            foreach (float output in outputs)
            {
                greatest = Math.Max(greatest, output);
            }
        }

        for (int i = 0; i < outputs.Length; i++)
        {
            _row[i] = _kind switch
            {
                Kind.SoftmaxLogits => ExactMath.Exp(outputs[i] - greatest),
                Kind.SigmoidLogits => ExactMath.Sigmoid(outputs[i]),
                _ => outputs[i],
            };
            sum += _row[i];
        }

        for (int i = 0; i < outputs.Length && _kind == Kind.SoftmaxLogits; i++)
        {
            _row[i] /= sum;
        }
    }

    // The least positive float keeps a probability that vanished from becoming −∞.
    private double Logit(double value) => _kind switch
    {
        Kind.SoftmaxLogits => ExactMath.Log(Math.Max(value, float.Epsilon)),
        Kind.SigmoidLogits => ExactMath.Log(
            Math.Max(value, float.Epsilon) / Math.Max(1 - value, float.Epsilon)),
        _ => value,
    };
}
