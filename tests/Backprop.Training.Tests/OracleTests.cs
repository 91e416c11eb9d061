using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Tests.Checkpoints;

namespace Backprop.Training.Tests;

/// <summary>The same run gives the same bits, whatever happens to it.</summary>
public sealed class OracleTests
{
    private static readonly TrainingPlan Plan = TestPlans.Everything();

    [Theory]
    [InlineData(2, false)]
    [InlineData(3, false)]
    [InlineData(3, true)]
    public void Threads_do_not_change_a_bit(int threads, bool hasNamedOutputs)
    {
        TrainingPlan plan = hasNamedOutputs ? TestPlans.NamedOutputs() : Plan;
        TrainingResult one = Train(plan, threads: 1);
        TrainingResult several = Train(plan, threads);

        AssertSame(one, several);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Interrupted_after_any_step_and_resumed_the_run_ends_in_the_same_bits(
        bool hasNamedOutputs)
    {
        TrainingPlan plan = hasNamedOutputs ? TestPlans.NamedOutputs() : Plan;
        TrainingResult undisturbed = Train(plan, threads: 1);
        Assert.Equal(15, undisturbed.Steps);
        for (long step = 0; step < undisturbed.Steps - 1; step++)
        {
            var store = new InMemoryCheckpointStore();
            using var interrupter = new RecordingObserver(interruptAfterStep: step);
            TrainingResult interrupted = Train(plan, 1, interrupter, new CheckpointPolicy(store));
            Assert.Equal(StopKind.Interrupted, interrupted.Stop.Kind);
            Assert.Equal(step + 1, interrupted.Steps);

            using Checkpoint checkpoint = store.Load()!;
            TrainingResult resumed = Train(
                plan, threads: 1 + (int)(step % 2), resumeFrom: checkpoint);

            AssertSame(undisturbed, resumed);
        }
    }

    [Fact]
    public void A_run_that_is_interrupted_after_every_step_ends_in_the_same_bits()
    {
        TrainingResult undisturbed = Train(Plan, threads: 1);
        var store = new InMemoryCheckpointStore();
        TrainingResult result;
        long step = 0;
        do
        {
            using var interrupter = new RecordingObserver(interruptAfterStep: step++);
            using Checkpoint? checkpoint = store.Load();
            result = Train(Plan, 1, interrupter, new CheckpointPolicy(store), checkpoint);
        }
        while (result.Stop.Kind == StopKind.Interrupted);

        AssertSame(undisturbed, result);
    }

    [Fact]
    public void A_finished_run_tells_its_result_again()
    {
        var store = new InMemoryCheckpointStore();
        TrainingResult first = Train(Plan, 1, checkpoints: new CheckpointPolicy(store));

        using Checkpoint checkpoint = store.Load()!;
        using var observer = new RecordingObserver();
        TrainingResult again = Train(Plan, 1, observer, resumeFrom: checkpoint);

        AssertSame(first, again);
        Assert.Empty(observer.Steps);
    }

    [Fact]
    public void Checkpoints_do_not_change_a_bit()
    {
        var store = new InMemoryCheckpointStore();

        AssertSame(
            Train(Plan, 1),
            Train(Plan, 1, checkpoints: new CheckpointPolicy(store, EverySteps: 1)));
        Assert.Equal(16, store.Files.Count);
    }

    // As workers would: each computes its own micro-batches, and the nodes of the gradient tree are
    // folded by somebody else, in two slices of the parameters.
    [Theory]
    [InlineData(new[] { 0, 5 })]
    [InlineData(new[] { 0, 1, 5 })]
    [InlineData(new[] { 0, 2, 3, 5 })]
    [InlineData(new[] { 0, 1, 2, 3, 4, 5 })]
    public void However_the_micro_batches_are_shared_out_the_weights_are_the_same(int[] borders)
    {
        TrainingPlan plan = Plan with
        {
            Schedule = new CosineSchedule(), Stop = new StopRules(StopMetric.ValidationLoss),
        };
        TrainingResult alone = Train(plan, threads: 1);

        Assert.Equal(alone.WeightsSha256, TrainShared(plan, borders, alone.Steps));
    }

    [Fact]
    public void Another_seed_is_another_run()
    {
        Assert.NotEqual(
            Train(Plan, 1).WeightsSha256, Train(Plan with { Seed = 43 }, 1).WeightsSha256);
    }

    [Fact]
    public void The_number_of_micro_batches_is_part_of_the_run()
    {
        Assert.NotEqual(
            Train(Plan, 1).WeightsSha256, Train(Plan with { MicroBatches = 4 }, 1).WeightsSha256);
    }

    internal static TrainingResult Train(
        TrainingPlan plan, int threads, RecordingObserver? observer = null,
        CheckpointPolicy? checkpoints = null, Checkpoint? resumeFrom = null,
        IDigestLog? digests = null)
    {
        using var pool = new ComputePool(threads);
        using var trainer = new SingleProcessTrainer(plan, pool, new ManualTime())
        {
            Digests = digests,
        };
        using var own = new RecordingObserver();
        observer ??= own;
        if (resumeFrom is not null)
        {
            trainer.Resume(resumeFrom);
        }

        TrainingResult result = trainer.Run(observer, checkpoints, observer.Interruption);
        Assert.Same(result, observer.Stopped);
        return result;
    }

    private static void AssertSame(TrainingResult expected, TrainingResult actual)
    {
        Assert.Equal(expected.WeightsSha256, actual.WeightsSha256);
        Assert.Equal(expected.StateSha256, actual.StateSha256);
        Assert.Equal(expected.Steps, actual.Steps);
        Assert.Equal(expected.Stop, actual.Stop);
        Assert.Equal(expected.BestMetric, actual.BestMetric);
        Assert.Equal(expected.BestEpoch, actual.BestEpoch);
        Assert.Equal<double>([.. expected.Losses], [.. actual.Losses]);
        Assert.Equal(
            expected.History.Select(e => (e.Metric, e.Validation!.Loss, e.LearningRate)),
            actual.History.Select(e => (e.Metric, e.Validation!.Loss, e.LearningRate)));
        Assert.Equal(expected.Test!.Loss, actual.Test!.Loss);
        Assert.Equal(
            expected.Test.Outputs?.Select(output => output.Metrics.Loss),
            actual.Test.Outputs?.Select(output => output.Metrics.Loss));
    }

    private static string TrainShared(TrainingPlan plan, int[] borders, long steps)
    {
        using var pool = new ComputePool(1);
        ParameterLayout layout = plan.Network.Layout;
        BatchLoader loader = plan.NewLoader(TargetEncoding.OneHot);
        var rules = plan.Rules;
        var update = new ParameterUpdate(layout, 0, layout.BlockCount, rules, pool);
        var norms = new ParameterNorms(layout);
        var sums = new PieceSums[norms.PieceCount];
        using var weights = new AlignedBuffer(layout.Length);
        using var state = new AlignedBuffer(update.StateLength);
        using var root = new AlignedBuffer(layout.Length);
        plan.Network.InitializeWeights(plan.Seed, weights);
        for (long step = 0; step < steps; step++)
        {
            var rows = new MicroBatches(loader.GlobalRows(step), plan.MicroBatches);
            var nodes = new Dictionary<TreeNode, float[]>();
            for (int worker = 0; worker + 1 < borders.Length; worker++)
            {
                ComputeShare(
                    plan, loader, new StepWork(plan.Seed, step, rows), borders[worker],
                    borders[worker + 1], weights, pool, nodes);
            }

            Sum(nodes, GradientTree.Root(plan.MicroBatches), plan.MicroBatches)
                .CopyTo(root.Span);
            update.Prepare(weights, measureWeights: false, root, sums);
            float rate = plan.Schedule.At(
                plan.Optimizer.LearningRate,
                new SchedulePosition(step, loader.StepsPerEpoch, steps, 0));
            float scale = plan.Clipping.ScaleFor(norms.GradientNorm(sums));
            double? share = rules.Averaging?.ShareOf(step, loader.StepsPerEpoch);
            update.Apply(
                new UpdateStep(step, rate, scale, rows.NonEmptyCount, share), root, weights, state,
                weights);
        }

        rules.ResultOf(steps, weights, state).CopyTo(weights.Span);
        return WeightsDigest.OfWeights(layout, weights);
    }

    private static void ComputeShare(
        TrainingPlan plan, BatchLoader loader, in StepWork work, int first, int end,
        AlignedBuffer weights, ComputePool pool, Dictionary<TreeNode, float[]> nodes)
    {
        int firstRow = work.MicroBatches.Start(first), endRow = work.MicroBatches.Start(end);
        using Batch batch = loader.NewBatch(plan.BatchSize);
        using var worker = new NetworkExecutor(
            plan.Network, plan.Loss, plan.BatchSize, plan.MicroBatches, pool);
        using var gradients = new GradientSet(
            plan.Network.Layout, first, end, plan.MicroBatches);
        loader.Load(work.Step, firstRow, endRow, batch);
        worker.UseWeights(weights);
        worker.ComputeGradients(batch, work, gradients, listener: null);
        for (int node = 0; node < gradients.Nodes.Count; node++)
        {
            nodes.Add(gradients.Nodes[node], gradients.Gradient(node).Span.ToArray());
        }
    }

    // A node's sum: as somebody pushed it, or of the two nodes below it.
    private static float[] Sum(
        Dictionary<TreeNode, float[]> pushed, TreeNode node, int microBatches)
    {
        if (pushed.TryGetValue(node, out float[]? sum))
        {
            return sum;
        }

        var left = new TreeNode(node.Level - 1, node.Index * 2);
        float[] leftSum = Sum(pushed, left, microBatches);
        if (left.Sibling.FirstMicroBatch >= microBatches)
        {
            return leftSum;
        }

        return [.. leftSum.Zip(Sum(pushed, left.Sibling, microBatches), (a, b) => a + b)];
    }
}
