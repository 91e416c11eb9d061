using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Tests.Networks;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Masks belong to samples and steps, not to places in a batch.</summary>
public sealed class DropoutTests
{
    private const int Width = 1000;
    private const float Rate = 0.3f;

    [Fact]
    public void A_share_is_dropped_and_the_rest_scaled_up_so_that_the_mean_stays()
    {
        using Trial trial = NewTrial(rows: 8);
        (float[] input, float[] output) = Run(trial, trial.Work);
        int dropped = 0;
        for (int i = 0; i < input.Length; i++)
        {
            if (output[i] == 0 && input[i] != 0)
            {
                dropped++;
            }
            else
            {
                Assert.Equal(input[i] * (1 / (1 - Rate)), output[i]);
            }
        }

        // 8,000 elements: four standard errors.
        Assert.InRange(dropped / (double)input.Length, Rate - 0.021, Rate + 0.021);
    }

    [Fact]
    public void A_sample_has_its_mask_wherever_it_stands_in_the_batch()
    {
        using Trial trial = NewTrial(rows: 4), swapped = NewTrial(rows: 4);
        (swapped.Batch.Samples[0], swapped.Batch.Samples[3]) =
            (swapped.Batch.Samples[3], swapped.Batch.Samples[0]);
        bool[][] masks = MasksOf(trial, trial.Work), others = MasksOf(swapped, swapped.Work);
        Assert.Equal(masks[0], others[3]);
        Assert.Equal(masks[3], others[0]);
        Assert.Equal(masks[1], others[1]);
        Assert.NotEqual(masks[0], masks[1]);
    }

    [Fact]
    public void Every_step_every_seed_and_every_layer_has_masks_of_its_own()
    {
        using Trial trial = NewTrial(rows: 1);
        bool[] mask = MasksOf(trial, trial.Work)[0];
        Assert.NotEqual(mask, MasksOf(trial, trial.Work with { Step = 4 })[0]);
        Assert.NotEqual(mask, MasksOf(trial, trial.Work with { Seed = 1 })[0]);
        using var later = new Trial(
            Shape.Of(Width),
            [new DropoutDefinition(0), new DropoutDefinition(0), new DropoutDefinition(Rate)],
            rows: 1);
        Assert.NotEqual(mask, MasksOf(later, later.Work)[0]);
    }

    private static Trial NewTrial(int rows) =>
        new(Shape.Of(Width), [new DropoutDefinition(0), new DropoutDefinition(Rate)], rows);

    private static bool[][] MasksOf(Trial trial, in StepWork work)
    {
        (_, float[] output) = Run(trial, work);
        return [.. output.Select(value => value == 0).Chunk(Width)];
    }

    private static (float[] Input, float[] Output) Run(Trial trial, in StepWork work)
    {
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 1, 1);
        executor.ComputeGradients(trial.Batch, work, gradients, listener: null);
        int last = trial.Network.Nodes.Length - 1;
        return (executor.Activation(last - 1).ToArray(), executor.Activation(last).ToArray());
    }
}
