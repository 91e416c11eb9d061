using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Metrics;

namespace Backprop.Training.Tests.Metrics;

public sealed class EvaluatorTests
{
    // y = w·x with targets 3·x: w = 3 is right, and a pair of 2 and 4 is, on average.
    [Fact]
    public void An_ensemble_is_judged_by_its_average()
    {
        float[][] features = [.. Enumerable.Range(0, 600).Select(i => new[] { i / 600f })];
        float[][] targets = [.. features.Select(x => new[] { 3 * x[0] })];
        TrainingPlan plan = PlanFor(
            new MeanSquaredError(), InMemoryDataset.OfValues("line", features, targets));
        using AlignedBuffer two = Weight(plan, 2), four = Weight(plan, 4);

        EvaluationMetrics alone = Evaluate(plan, two), together = Evaluate(plan, two, four);

        // Σ(3x − 2x)² / n = Σx² / n.
        Assert.Equal(features.Average(x => (double)x[0] * x[0]), alone.Loss, 1e-7);
        Assert.Equal(600, alone.Rows);
        Assert.Equal(0, together.Loss, 1e-12);
        Assert.Equal(1, together.Regression!.R2, 1e-12);
    }

    [Fact]
    public void The_loss_of_one_member_said_twice_is_its_own()
    {
        TrainingPlan plan = TestPlans.Everything();
        using var weights = new AlignedBuffer(plan.Network.Layout.Length);
        plan.Network.InitializeWeights(3, weights);

        EvaluationMetrics once = Evaluate(plan, weights), twice = Evaluate(plan, weights, weights);

        Assert.Equal(once.Loss, twice.Loss, 1e-6);
        Assert.Equal<long>(
            [.. once.Classification!.Confusion.Counts],
            [.. twice.Classification!.Confusion.Counts]);
    }

    [Fact]
    public void The_average_of_one_network_is_what_it_says()
    {
        TrainingPlan plan = PlanFor(
            new BinaryCrossEntropy(), InMemoryDataset.OfValues("one", [[2]], [[1]]));
        using AlignedBuffer weight = Weight(plan, 20);
        using var pool = new ComputePool(1);
        using var backend = new NetworkExecutor(plan.Network, plan.Loss, 256, 1, pool);
        using var batch = new Batch(1, 1, 1) { Rows = 1 };
        batch.Features.Span[0] = 2;
        var output = new float[1];

        new Evaluator(backend, plan.Loss, TargetReading.For(plan))
            .Average(batch, [weight], output);

        Assert.Equal(40, output[0]);
    }

    private static EvaluationMetrics Evaluate(
        TrainingPlan plan, params ReadOnlySpan<AlignedBuffer> members)
    {
        using var pool = new ComputePool(1);
        using var backend = new NetworkExecutor(
            plan.Network, plan.Loss, MetricsAccumulator.MicroBatchRows, 1, pool);
        return new Evaluator(backend, plan.Loss, TargetReading.For(plan))
            .Evaluate(plan.Validation ?? plan.Train, members);
    }

    private static TrainingPlan PlanFor(Loss loss, IDataset samples) => TestPlans.Xor() with
    {
        Network = Network.Build(
            Shape.Of(1),
            [new DenseDefinition(1) { Bias = false, WeightInitializer = Constant.Zeros }]),
        Loss = loss,
        Train = samples,
    };

    private static AlignedBuffer Weight(TrainingPlan plan, float value)
    {
        var weights = new AlignedBuffer(plan.Network.Layout.Length);
        weights.Span[0] = value;
        return weights;
    }
}
