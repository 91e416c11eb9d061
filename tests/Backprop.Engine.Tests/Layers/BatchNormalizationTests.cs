using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Simd;
using Backprop.Engine.Tests.Networks;

namespace Backprop.Engine.Tests.Layers;

/// <summary>What a micro-batch's statistics are at the edges; the rest is held against PyTorch.
/// </summary>
public sealed unsafe class BatchNormalizationTests
{
    [Fact]
    public void Every_micro_batch_is_normalized_by_its_own_rows()
    {
        using var trial = NewTrial(rows: 9, microBatches: 2);
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 2, 2);
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
        float[] output = executor.Activation(0).ToArray();
        foreach ((int start, int end) in new[] { (0, 4), (4, 9) })
        {
            for (int feature = 0; feature < 3; feature++)
            {
                double[] values =
                [
                    .. Enumerable.Range(start, end - start)
                        .Select(row => (double)output[3 * row + feature]),
                ];
                Assert.Equal(0, values.Average(), tolerance: 1e-6);
                Assert.Equal(1, values.Average(value => value * value), tolerance: 1e-3);
            }
        }
    }

    [Fact]
    public void A_micro_batch_of_one_row_is_its_own_mean_and_varies_by_nothing()
    {
        using var trial = NewTrial(rows: 1, microBatches: 1);
        trial.Parameter("batch-normalization1.bias").Fill(0.25f);
        using GradientSet gradients = trial.Compute(0, 1, out float[] output);
        Assert.All(output, value => Assert.Equal(0.25f, value));
        Assert.Equal(
            trial.Batch.Features.Span.ToArray(), Observed(trial, gradients, "running_mean"));
        Assert.Equal(new float[3], Observed(trial, gradients, "running_var"));
    }

    [Fact]
    public void What_is_observed_sums_over_the_micro_batches_that_have_rows()
    {
        // Two rows in four micro-batches: two of them are empty.
        using var trial = NewTrial(rows: 2, microBatches: 4);
        using GradientSet gradients = trial.Compute(0, 4, out _);
        float[] mean = Observed(trial, gradients, "running_mean");
        for (int feature = 0; feature < 3; feature++)
        {
            ReadOnlySpan<float> x = trial.Batch.Features.Span;
            Assert.Equal(x[feature] + x[3 + feature], mean[feature]);
        }
    }

    [Fact]
    public void The_width_of_vectors_changes_no_bit()
    {
        const int Rows = 11, Width = 37;
        using var trial = new Trial(
            Shape.Of(Width), [new BatchNormalizationDefinition()], Rows);
        using var output = new AlignedBuffer(Rows * Width);
        using var saved = new AlignedBuffer(5 * Width);
        int[] starts = [0, Rows];
        float[][] results = [.. SimdWidths.All.Select(Run)];
        Assert.All(results, result => Assert.Equal(results[0], result));

        float[] Run(SimdWidth width)
        {
            fixed (int* begin = starts)
            {
                var forward = new NormalizeByMicroBatch
                {
                    Starts = begin,
                    MicroBatches = 1,
                    Positions = 1,
                    Width = Width,
                    Epsilon = 1e-5f,
                    Scale = trial.Weights.Pointer,
                    Bias = trial.Batch.Targets.Pointer,
                    Saved = saved.Pointer,
                    Input = trial.Batch.Features.Pointer,
                    Output = output.Pointer,
                };
                ColumnParallel.Run(width, trial.Pool, forward, Rows, Width);
                float[] normalized = output.Span.ToArray();
                var backward = new NormalizeBackward
                {
                    Starts = begin,
                    MicroBatches = 1,
                    Positions = 1,
                    Width = Width,
                    Scale = trial.Weights.Pointer,
                    Saved = saved.Pointer,
                    Input = trial.Batch.Features.Pointer,
                    OutputGradient = trial.Batch.Targets.Pointer,
                    InputGradient = output.Pointer,
                };
                ColumnParallel.Run(width, trial.Pool, backward, Rows, Width);
                return [.. normalized, .. output.Span, .. saved.Span];
            }
        }
    }

    private static Trial NewTrial(int rows, int microBatches) =>
        new(Shape.Of(3), [new BatchNormalizationDefinition()], rows, microBatches);

    private static float[] Observed(Trial trial, GradientSet gradients, string statistic)
    {
        ParameterView view = trial.Network.Layout.Views.Single(
            entry => entry.Declaration.Name == statistic);
        return gradients.Gradient(0).Span.Slice(view.Offset, view.Length).ToArray();
    }
}
