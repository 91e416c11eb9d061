using System.Collections.Immutable;
using Backprop.Console.Rendering;
using Backprop.Training;
using Backprop.Training.Metrics;

namespace Backprop.Console.Tests.Rendering;

public class ProgressLinesTests
{
    private static readonly RunExtent s_extent = new(TotalSteps: 800, StepsPerEpoch: 10, 80);

    [Fact]
    public void A_run_half_way_shows_bar_time_left_speed_loss_and_validation()
    {
        (string bar, string numbers) = ProgressLines.Live(
            new ProgressSnapshot(
                StepsDone: 400, RowsSeen: 12_800, StepsSeen: 400, Loss: 0.123456, Epoch()),
            s_extent, TimeSpan.FromSeconds(100));

        Assert.Equal(
            $"epoch 41/80  {new string('━', 20)}{new string('─', 20)}  50.0%  ETA 1 min 40 s", bar);
        Assert.Equal(
            "loss 0.1235  validation loss 0.25 accuracy 97.5%  128 samples/s", numbers);
        Assert.InRange(numbers.Length, 1, 79);
        Assert.InRange(bar.Length, 1, 79);
    }

    [Fact]
    public void Nothing_is_estimated_before_there_is_anything_to_estimate_from()
    {
        (string bar, string numbers) = ProgressLines.Live(
            new ProgressSnapshot(0, 0, 0, double.NaN, null), s_extent, TimeSpan.FromSeconds(9));

        Assert.Equal($"epoch 1/80  {new string('─', 40)}  0.0%", bar);
        Assert.Equal("starting", numbers);
    }

    private static EpochReport Epoch() => new()
    {
        Epoch = 39,
        StepsDone = 400,
        TrainingLoss = 0.13,
        Validation = new EvaluationMetrics
        {
            Rows = 40,
            Loss = 0.25,
            Classification = new ClassificationMetrics
            {
                Accuracy = 0.975,
                Classes = [new ClassScores("cat", 40, 1, 0.975, 0.987)],
                Confusion = new ConfusionMatrix([], ImmutableArray<long>.Empty),
            },
        },
        Layers = [],
        LearningRate = 0.1f,
        Metric = 0.25,
        IsBest = true,
        Reason = "best so far",
    };
}
