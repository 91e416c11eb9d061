using System.Collections.Immutable;
using Backprop.Engine.Losses;
using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Losses;

/// <summary>Rows of outputs and targets, and what a loss makes of them.</summary>
internal sealed unsafe class LossTrial(int rows, int width, float[] outputs, float[] targets)
{
    public int Rows => rows;

    public int Width => width;

    public float[] Outputs => outputs;

    public float[] Targets => targets;

    /// <summary>Every loss, with options that are not the defaults.</summary>
    public static IEnumerable<Loss> Losses(int width)
    {
        ImmutableArray<float> weights =
            [.. Enumerable.Range(0, width).Select(i => 0.5f + (i % 5 * 0.75f))];
        return
        [
            new HalfSquaredError(), new MeanSquaredError(), new MeanAbsoluteError(),
            new Huber(0.75f), new BinaryCrossEntropy(), new BinaryCrossEntropyOnProbabilities(),
            new SoftmaxCrossEntropy(), new SoftmaxCrossEntropy(0.1f),
            new SoftmaxCrossEntropy(0, weights), new SoftmaxCrossEntropy(0.1f, weights),
            new SoftmaxCrossEntropy { SoftTargets = true },
            new SoftmaxCrossEntropy(0.1f, weights) { SoftTargets = true },
        ];
    }

    /// <summary>Rows that suit the loss: probabilities where it takes them, targets of its kind.
    /// </summary>
    public static LossTrial For(Loss loss, int rows, int width)
    {
        var random = new RandomStream(11, RandomPurpose.Generation, (uint)width);
        float[] outputs = new float[rows * width];
        for (int i = 0; i < outputs.Length; i++)
        {
            outputs[i] = loss is BinaryCrossEntropyOnProbabilities
                ? 0.02f + (0.96f * random.Uniform(0, (ulong)i))
                : (float)(3 * random.Normal(0, (ulong)i));
        }

        float[] targets = new float[rows * loss.TargetWidth(Shape.Of(width))];
        for (int i = 0; i < targets.Length; i++)
        {
            float uniform = random.Uniform(1, (ulong)i);
            targets[i] = loss.Target == TargetKind.ClassIndex ? (int)(uniform * width) : uniform;
        }

        return new LossTrial(rows, width, outputs, targets);
    }

    public (float[] RowLosses, float[] Gradient) Compute(Loss loss, ComputePool pool, float scale)
    {
        float[] rowLosses = new float[rows], gradient = new float[rows * width];
        fixed (float* o = outputs, t = targets, l = rowLosses, g = gradient)
        {
            loss.Compute(pool, o, t, rows, width, scale, l, g);
        }

        return (rowLosses, gradient);
    }

    public float[] ComputeLossesOnly(Loss loss, ComputePool pool)
    {
        float[] rowLosses = new float[rows];
        fixed (float* o = outputs, t = targets, l = rowLosses)
        {
            loss.Compute(pool, o, t, rows, width, 1, l, null);
        }

        return rowLosses;
    }

    public double Reference(Loss loss, int row, ReadOnlySpan<double> rowOutputs)
    {
        int targetWidth = loss.TargetWidth(Shape.Of(width));
        return loss.Reference(rowOutputs, targets.AsSpan(row * targetWidth, targetWidth));
    }

    public double[] RowOutputs(int row) =>
        [.. outputs.AsSpan(row * width, width).ToArray().Select(x => (double)x)];
}
