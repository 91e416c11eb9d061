using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Tests.Protocol.Coordination;

/// <summary>With the weights of the single process, evaluated in shares, a coordinator comes to
/// the single process's reports and result.</summary>
public sealed class OracleCoordinationTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Reports_and_result_are_those_of_the_single_process(int workers)
    {
        TrainingPlan plan = TestPlans.Everything() with
        {
            Validation = TestPlans.Blobs("validation", 1_100, seed: 8),
        };
        using var pool = new ComputePool(1);
        var store = new WeightsByVersion();
        TrainingResult expected = Train(plan, pool, store);
        ScriptedCluster cluster = ScriptedCluster.InTraining(1, workers, plan);
        using var executor = new NetworkExecutor(
            plan.Network, plan.Loss, MetricsAccumulator.MicroBatchRows, plan.MicroBatches, pool);
        var evaluator = new Evaluator(executor, plan.Loss, TargetReading.For(plan));

        foreach (EpochReport report in expected.History)
        {
            using var weights = new AlignedBuffer(plan.Network.Layout.Length);
            store.Weights[report.StepsDone].CopyTo(weights.Span);
            cluster.Reach(
                report.StepsDone, SumOf(report.TrainingLoss, plan.Train.Count), report.Layers);
            cluster.EvaluateAll(request => evaluator.EvaluatePart(
                plan.Validation, request.Range.First, request.Range.End, weights));
            cluster.SaveAll();
        }

        long last = Assert.IsType<RunPhase.Concluding>(cluster.Phase).Checkpoint;
        cluster.Tell(new CoordinatorInput.Examined(new FinalExamination(
            last, expected.WeightsSha256, expected.StateSha256, expected.Validation,
            expected.Test, expected.Notes)));
        TrainingResult result = Assert.IsType<RunPhase.Completed>(cluster.Phase).Result;
        Assert.Equal(StructuralText.Of(Timeless(expected)), StructuralText.Of(Timeless(result)));
        cluster.AssertReplays();
    }

    private static TrainingResult Train(
        TrainingPlan plan, ComputePool pool, WeightsByVersion store)
    {
        using var trainer = new SingleProcessTrainer(plan, pool, new ManualTime());
        using var observer = new RecordingObserver();
        return trainer.Run(observer, new CheckpointPolicy(store), CancellationToken.None);
    }

    // A sum whose mean is the given one, to the bit.
    private static double SumOf(double mean, long rows)
    {
        double sum = mean * rows;
        for (int i = 0; sum / rows != mean; i++)
        {
            Assert.InRange(i, 0, 16);
            sum = sum / rows < mean ? Math.BitIncrement(sum) : Math.BitDecrement(sum);
        }

        return sum;
    }

    private static TrainingResult Timeless(TrainingResult result) =>
        result with { Elapsed = TimeSpan.Zero, SamplesPerSecond = 0, WaitedForData = null };

    private sealed class WeightsByVersion : ICheckpointStore
    {
        public Dictionary<long, float[]> Weights { get; } = [];

        public void Save(Checkpoint checkpoint) =>
            Weights[checkpoint.Header.Position.Step] = checkpoint.Weights.Span.ToArray();

        public Checkpoint? Load() => null;
    }
}
