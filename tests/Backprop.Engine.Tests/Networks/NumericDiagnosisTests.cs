using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Tests.Networks;

/// <summary>The first value of a step that is not finite is named, with its micro-batch.</summary>
public sealed class NumericDiagnosisTests
{
    private const int FirstRowOfMicroBatch2 = 5;

    [Fact]
    public void A_finite_step_has_nothing_to_report()
    {
        using Trial trial = NewTrial();
        Assert.Null(Diagnose(trial));
    }

    [Fact]
    public void Weights_come_before_everything()
    {
        using Trial trial = NewTrial();
        trial.Parameter("dense2.bias")[1] = float.NaN;
        Assert.Equal(
            new NonFiniteValue(null, "dense2.bias", ComputeStage.Weights), Diagnose(trial));
    }

    [Fact]
    public void A_feature_is_named_by_its_micro_batch()
    {
        using Trial trial = NewTrial();
        trial.Batch.Features.Span[FirstRowOfMicroBatch2 * 4] = float.PositiveInfinity;
        Assert.Equal(new NonFiniteValue(2, null, ComputeStage.Input), Diagnose(trial));
    }

    [Fact]
    public void A_forward_overflow_is_named_by_layer_and_micro_batch()
    {
        using Trial trial = NewTrial();
        trial.Batch.Features.Span[FirstRowOfMicroBatch2 * 4] = 3e38f;
        trial.Parameter("dense1.weight")[0] = 10;
        NonFiniteValue? found = Diagnose(trial);
        Assert.Equal(new NonFiniteValue(2, "dense1", ComputeStage.Forward), found);
        Assert.Equal("the output of layer 'dense1' in micro-batch 2", found?.ToString());
    }

    [Fact]
    public void A_loss_that_overflows_is_the_losss_own()
    {
        using Trial trial = NewTrial();
        trial.Batch.Targets.Span[FirstRowOfMicroBatch2 * 3] = float.NaN;
        Assert.Equal(new NonFiniteValue(2, null, ComputeStage.Loss), Diagnose(trial));
    }

    [Fact]
    public void A_backward_overflow_is_named_by_the_layer_that_computed_it()
    {
        using Trial trial = NewTrial();

        // Outputs near 0, so that the loss is finite, and a gradient that is too large for dense2
        // to pass back.
        trial.Parameter("dense2.weight").Fill(0);
        trial.Parameter("dense2.weight")[0] = 1e-3f;
        trial.Parameter("dense1.weight").Fill(0);
        trial.Parameter("dense1.bias").Fill(1e4f);
        trial.Batch.Targets.Span[FirstRowOfMicroBatch2 * 3] = 3e36f;
        Assert.Equal(new NonFiniteValue(2, "dense2", ComputeStage.Backward), Diagnose(trial));
    }

    [Fact]
    public void A_sum_of_finite_micro_batches_can_overflow_by_itself()
    {
        using Trial trial = NewTrial();
        using GradientSet gradients = trial.Compute(0, 4, out _);
        gradients.Gradient(0).Span[0] = float.PositiveInfinity;
        Assert.Equal(
            new NonFiniteValue(null, null, ComputeStage.Sum),
            NumericDiagnosis.Find(
                trial.Network, trial.Loss, trial.Weights, trial.Batch, trial.Work, gradients,
                trial.Pool));
    }

    private static Trial NewTrial() => new(
        Shape.Of(4), [new DenseDefinition(5), new DenseDefinition(3)], rows: 10, microBatches: 4);

    private static NonFiniteValue? Diagnose(Trial trial)
    {
        using GradientSet gradients = trial.Compute(0, 4, out _);
        return NumericDiagnosis.Find(
            trial.Network, trial.Loss, trial.Weights, trial.Batch, trial.Work, gradients,
            trial.Pool);
    }
}
