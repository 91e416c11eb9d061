using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;
using Backprop.Training.Checkpoints;
using Backprop.Training.Tests.Checkpoints;

namespace Backprop.Training.Tests;

public sealed class SingleProcessTrainerTests
{
    [Fact]
    public void Xor_is_learnt()
    {
        TrainingResult result = OracleTests.Train(TestPlans.Xor(), 1);

        Assert.Equal(StopKind.EpochsDone, result.Stop.Kind);
        Assert.True(result.Losses[0] > 0.1, $"the first loss is {result.Losses[0]}");
        Assert.True(result.Losses[^1] < 0.002, $"the last loss is {result.Losses[^1]}");
    }

    [Fact]
    public void Classes_are_learnt_and_judged_on_all_parts()
    {
        TrainingPlan plan = TestPlans.Everything() with
        {
            Epochs = 60, Schedule = new ConstantSchedule(),
        };

        TrainingResult result = OracleTests.Train(plan, 1);

        // The heaps overlap: nobody gets all of them right.
        Assert.InRange(result.Validation!.Classification!.Accuracy, 0.85, 0.99);
        Assert.Equal(300, result.Validation.Rows);
        Assert.Equal(20, result.Test!.Rows);
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        var observer = new AllocationObserver();
        using var pool = new ComputePool(1);
        TrainingPlan plan = TestPlans.Everything() with
        {
            Train = TestPlans.Blobs("train", 160, seed: 7), Epochs = 1,
        };
        long least = long.MaxValue;
        for (int round = 0; round < 5 && least > 0; round++)
        {
            // A round may bear what the runtime allocates once, the first one most of it.
            using var trainer = new SingleProcessTrainer(plan, pool, TimeProvider.System);
            observer.Forget();
            trainer.Run(observer, null, CancellationToken.None);
            Assert.Equal(10, observer.Steps);
            least = Math.Min(least, observer.AllocatedBetweenSteps);
        }

        Assert.Equal(0, least);
    }

    /// <summary>Weights are summed up by hand as each step ends.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_result_of_a_run_with_an_averaging_is_the_average(bool isStochastic)
    {
        const double Decay = 0.75;
        TrainingPlan plan = TestPlans.Xor() with
        {
            Epochs = 6, BatchSize = 2, // 2 steps an epoch
            Averaging = isStochastic
                ? new StochasticAveraging(3)
                : new ExponentialAveraging(Decay),
        };
        using var pool = new ComputePool(1);
        var versions = new InMemoryCheckpointStore();
        using var trainer = new SingleProcessTrainer(plan, pool, TimeProvider.System);
        TrainingResult result = trainer.Run(
            new RecordingObserver(), new CheckpointPolicy(versions, null, EverySteps: 1),
            CancellationToken.None);
        double[][] weights =
        [
            .. Enumerable.Range(1, 12).Select(
                step => WeightsOf(versions.Files[versions.Steps.LastIndexOf(step)])),
        ];
        double[] expected = weights[0];
        for (int i = 0; i < expected.Length; i++)
        {
            double average = weights[0][i];
            foreach (double[] version in weights[1..])
            {
                average = (Decay * average) + ((1 - Decay) * version[i]);
            }

            expected[i] = isStochastic
                ? new[] { 5, 7, 9, 11 }.Average(step => weights[step][i])
                : average;
        }

        float[] actual = trainer.FinalWeights.Span.ToArray();
        Assert.All(expected.Zip(actual), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        Assert.NotEqual(weights[^1][0], actual[0], 1e-6);
        Assert.Equal(
            WeightsDigest.OfWeights(plan.Network.Layout, trainer.FinalWeights),
            result.WeightsSha256);
        Assert.Contains("average of the weights", Assert.Single(result.Notes));
        using TrainedModel model = trainer.Model();
        Assert.Equal(actual, model.Members[0].Span.ToArray());
    }

    /// <summary>A run that ends with an epoch is evaluated with its average then, whichever its
    /// epochs are evaluated with: what a longer one says of that epoch.</summary>
    [Fact]
    public void Epochs_are_evaluated_with_the_average_where_that_is_asked_for()
    {
        TrainingPlan xor = TestPlans.Xor();
        TrainingPlan plan = xor with
        {
            Epochs = 4, BatchSize = 2, Validation = xor.Train,
            Averaging = new ExponentialAveraging(0.75) { EvaluatesEpochs = true },
        };
        TrainingResult result = OracleTests.Train(plan, 1);
        TrainingResult usual = OracleTests.Train(
            plan with { Averaging = new ExponentialAveraging(0.75) }, 1);
        for (int epoch = 0; epoch < 4; epoch++)
        {
            TrainingResult until = OracleTests.Train(plan with { Epochs = epoch + 1 }, 1);
            Assert.Equal(until.Validation!.Loss, result.History[epoch].Validation!.Loss);
            Assert.NotEqual(
                usual.History[epoch].Validation!.Loss, result.History[epoch].Validation!.Loss);
        }

        Assert.Equal(usual.WeightsSha256, result.WeightsSha256);
        Assert.Contains("evaluated with it", Assert.Single(result.Notes));
    }

    private static double[] WeightsOf(byte[] file)
    {
        using Checkpoint checkpoint = Checkpoint.ReadFrom(new MemoryStream(file));
        return Array.ConvertAll(checkpoint.Weights.Span.ToArray(), weight => (double)weight);
    }

    [Fact]
    public void A_run_that_is_over_before_its_first_step_comes_to_its_first_weights()
    {
        TrainingPlan plan = TestPlans.Xor() with
        {
            Averaging = new ExponentialAveraging(0.9),
            Train = InMemoryDataset.OfValues(
                "infinite", [[float.MaxValue, 1]], [[-float.MaxValue]]),
        };
        TrainingResult without = OracleTests.Train(plan with { Averaging = null }, 1);
        TrainingResult result = OracleTests.Train(plan, 1);

        Assert.Equal((StopKind.NonFinite, 0L), (result.Stop.Kind, result.Steps));
        Assert.Equal(without.WeightsSha256, result.WeightsSha256);
    }

    [Fact]
    public void With_a_patience_the_final_weights_are_those_of_the_best_epoch()
    {
        // So large a rate that the loss soon rises again.
        TrainingPlan plan = Unsteady() with
        {
            Stop = new StopRules(StopMetric.ValidationLoss, Patience: 3),
        };

        TrainingResult result = OracleTests.Train(plan, 1);

        Assert.Equal(StopKind.Patience, result.Stop.Kind);
        Assert.True(result.FinalIsBest);
        Assert.Equal(result.History.Length - 1 - 3, result.BestEpoch);
        Assert.Equal(result.History.Min(e => e.Validation!.Loss), result.BestMetric);
        Assert.Equal(result.BestMetric, result.Validation!.Loss);
    }

    [Fact]
    public void Without_a_patience_the_final_weights_are_the_last_ones()
    {
        TrainingPlan plan = Unsteady() with { Epochs = 8 };

        TrainingResult result = OracleTests.Train(plan, 1);

        Assert.False(result.FinalIsBest);
        Assert.Equal(result.History[^1].Validation!.Loss, result.Validation!.Loss);
        Assert.NotEqual(result.BestMetric, result.Validation.Loss);
    }

    [Fact]
    public void The_greatest_number_of_steps_may_fall_within_an_epoch()
    {
        TrainingPlan plan = TestPlans.Everything() with
        {
            Stop = new StopRules(StopMetric.ValidationLoss, MaxSteps: 7),
        };

        TrainingResult result = OracleTests.Train(plan, 1);

        Assert.Equal(StopKind.MaxSteps, result.Stop.Kind);
        Assert.Equal(7, result.Steps);
        Assert.Equal(3, result.Epochs);
        Assert.Equal([3L, 6, 7], result.History.Select(e => e.StepsDone));
    }

    [Fact]
    public void The_greatest_time_ends_the_run_at_a_step()
    {
        TrainingPlan plan = TestPlans.Everything() with
        {
            Stop = new StopRules(
                StopMetric.ValidationLoss, MaxTime: TimeSpan.FromSeconds(10)),
        };
        using var pool = new ComputePool(1);
        var time = new ManualTime();
        using var trainer = new SingleProcessTrainer(plan, pool, time);
        var observer = new TimedObserver(time, TimeSpan.FromSeconds(4));

        TrainingResult result = trainer.Run(observer, null, CancellationToken.None);

        Assert.Equal(StopKind.MaxTime, result.Stop.Kind);
        Assert.Equal(3, result.Steps);
        Assert.Equal(TimeSpan.FromSeconds(12), result.Elapsed);
        Assert.Equal((16 + 16 + 10) / 12.0, result.SamplesPerSecond, 1e-9);
    }

    [Fact]
    public void A_required_training_loss_ends_the_run()
    {
        TrainingPlan plan = TestPlans.Xor() with
        {
            Stop = new StopRules(StopMetric.TrainingLoss, TargetLoss: 0.05),
        };

        TrainingResult result = OracleTests.Train(plan, 1);

        Assert.Equal(StopKind.TargetLoss, result.Stop.Kind);
        Assert.True(result.Losses[^1] <= 0.05);
        Assert.All(result.Losses[..^1], loss => Assert.True(loss > 0.05));
    }

    [Fact]
    public void The_rate_is_reduced_on_a_plateau()
    {
        TrainingPlan plan = Unsteady() with
        {
            Epochs = 12, Schedule = new PlateauSchedule { Patience = 0, Reduction = 0.5 },
        };

        TrainingResult result = OracleTests.Train(plan, 1);

        // Each epoch's rate follows from the epochs before by PyTorch's rule, redone here.
        double best = double.PositiveInfinity, factor = 1;
        foreach (EpochReport epoch in result.History)
        {
            Assert.Equal((float)(plan.Optimizer.LearningRate * factor), epoch.LearningRate);
            bool better = epoch.Metric < best * (1 - 1e-4);
            best = better ? epoch.Metric : best;
            factor *= better ? 1 : 0.5;
        }

        Assert.True(factor < 1, "the loss never rose: the test tests nothing");
    }

    [Fact]
    public void A_gradient_that_explodes_leaves_the_weights_of_before_the_step()
    {
        // The weight grows 1e18-fold a step: 1, 2e18, 4e36, and then out of range.
        using var observer = new RecordingObserver();
        using var pool = new ComputePool(1);
        TrainingPlan plan = Exploding();
        using var trainer = new SingleProcessTrainer(plan, pool, new ManualTime());

        TrainingResult result = trainer.Run(observer, null, CancellationToken.None);

        Assert.Equal(StopKind.NonFinite, result.Stop.Kind);
        Assert.Contains($"step {result.Steps}", result.Stop.Reason, StringComparison.Ordinal);
        Assert.Contains("micro-batch 0", result.Stop.Reason, StringComparison.Ordinal);
        Assert.Equal(result.Steps, observer.Steps.Count);
        Assert.All(trainer.FinalWeights.Span.ToArray(), w => Assert.True(float.IsFinite(w)));

        TrainingResult before = OracleTests.Train(
            plan with { Stop = plan.Stop with { MaxSteps = result.Steps } }, 1);
        Assert.Equal(before.WeightsSha256, result.WeightsSha256);
    }

    [Fact]
    public void A_step_that_makes_weights_infinite_is_taken_back()
    {
        // The gradient fits into a float, and the step along it does not.
        TrainingPlan plan = Exploding() with
        {
            Optimizer = new Sgd { LearningRate = 3e38f }, Epochs = 1,
        };
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(plan, pool, new ManualTime());
        using var observer = new RecordingObserver();

        TrainingResult result = trainer.Run(observer, null, CancellationToken.None);

        Assert.Equal(StopKind.NonFinite, result.Stop.Kind);
        Assert.Equal(0, result.Steps);
        Assert.Equal(1, trainer.FinalWeights.Span[0]);
    }

    [Fact]
    public void A_layers_norms_are_those_of_its_parameters()
    {
        // One weight w = 3 and one bias b = 4; the error is w + b + 2 = 9, and so are both slopes
        // of half its square.
        TrainingPlan plan = TestPlans.Xor() with
        {
            Network = Network.Build(
                Shape.Of(1),
                [
                    new DenseDefinition(1)
                    {
                        WeightInitializer = new ExplicitValues([3]),
                        BiasInitializer = new ExplicitValues([4]),
                    },
                ]),
            Train = InMemoryDataset.OfValues("one", [[1]], [[-2]]),
            Epochs = 1,
            BatchSize = 1,
            MicroBatches = 1,
        };

        LayerNorms norms = Assert.Single(OracleTests.Train(plan, 1).History[0].Layers);

        Assert.Equal("dense1", norms.Layer);
        Assert.Equal(5, norms.WeightNorm, 1e-12);
        Assert.Equal(9 * Math.Sqrt(2), norms.GradientNorm, 1e-12);
    }

    [Fact]
    public void Split_errors_are_compared_with_true_gradients()
    {
        TrainingPlan plan = TestPlans.Xor() with
        {
            Backward = BackwardRule.ErrorSplitting, Epochs = 50,
        };

        TrainingResult split = OracleTests.Train(plan, 1);
        TrainingResult again = OracleTests.Train(plan, 2);
        TrainingResult chain =
            OracleTests.Train(plan with { Backward = BackwardRule.ChainRule }, 1);

        Assert.Equal(2, split.Notes.Length);
        Assert.StartsWith("first step", split.Notes[0], StringComparison.Ordinal);
        Assert.StartsWith("last step", split.Notes[1], StringComparison.Ordinal);
        Assert.Contains("dense1", split.Notes[0], StringComparison.Ordinal);
        Assert.Equal<string>([.. split.Notes], [.. again.Notes]);
        Assert.Empty(chain.Notes);
        Assert.NotEqual(chain.WeightsSha256, split.WeightsSha256);
    }

    // With one linear layer there is nothing that splitting could leave out.
    [Fact]
    public void Without_activations_split_errors_are_true_gradients()
    {
        TrainingPlan plan = TestPlans.Xor() with
        {
            Backward = BackwardRule.ErrorSplitting,
            Network = Network.Build(Shape.Of(2), [new DenseDefinition(1)]),
            Epochs = 3,
        };

        Assert.All(
            OracleTests.Train(plan, 1).Notes,
            note => Assert.EndsWith("dense1 1.0000", note, StringComparison.Ordinal));
    }

    [Fact]
    public void A_checkpoint_of_another_plan_is_refused()
    {
        var store = new InMemoryCheckpointStore();
        using var interrupter = new RecordingObserver(interruptAfterStep: 1);
        TrainingPlan plan = TestPlans.Everything();
        OracleTests.Train(plan, 1, interrupter, new CheckpointPolicy(store));
        using Checkpoint checkpoint = store.Load()!;

        var error = Assert.Throws<CheckpointException>(() => OracleTests.Train(
            plan with { MicroBatches = 4 }, 1, resumeFrom: checkpoint));

        Assert.Contains(
            "'micro-batches = 5' became 'micro-batches = 4'", error.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Checkpoints_are_kept_when_their_policy_says_so()
    {
        var store = new InMemoryCheckpointStore();
        using var pool = new ComputePool(1);
        var time = new ManualTime();
        using var trainer = new SingleProcessTrainer(
            TestPlans.Everything() with { Epochs = 4 }, pool, time);

        trainer.Run(
            new TimedObserver(time, TimeSpan.FromSeconds(1)),
            new CheckpointPolicy(
                store, EveryEpochs: null, Interval: TimeSpan.FromSeconds(5)),
            CancellationToken.None);

        Assert.Equal([5L, 10, 12], store.Steps);
    }

    [Fact]
    public void A_plan_that_cannot_be_judged_as_it_asks_is_refused()
    {
        TrainingPlan plan = TestPlans.Everything() with { Groups = [] };
        Assert.Contains(
            "no validation part", MessageFor(plan with { Validation = null }),
            StringComparison.Ordinal);
        Assert.Contains(
            "not values",
            MessageFor(plan with { Stop = new StopRules(StopMetric.ValidationR2) }),
            StringComparison.Ordinal);
        Assert.Contains(
            "4 outputs for 3 classes",
            MessageFor(plan with
            {
                Network = Network.Build(Shape.Of(2), [new DenseDefinition(4)]),
            }),
            StringComparison.Ordinal);
        Assert.Contains(
            "micro-batches", MessageFor(plan with { MicroBatches = 17 }),
            StringComparison.Ordinal);
    }

    private static string MessageFor(TrainingPlan plan) =>
        Assert.ThrowsAny<ArgumentException>(() => OracleTests.Train(plan, 1)).Message;

    // A step too long for its slope: the loss goes up and down.
    private static TrainingPlan Unsteady() => TestPlans.Everything() with
    {
        Epochs = 100,
        Averaging = null,
        Optimizer = new Adam { LearningRate = 0.3f },
        Schedule = new ConstantSchedule(),
        Clipping = Clipping.None,
        Stop = new StopRules(StopMetric.ValidationLoss),
    };

    // Half a squared error of one weight: w ← w − 1e18·(w − 0).
    private static TrainingPlan Exploding() => TestPlans.Xor() with
    {
        Network = Network.Build(
            Shape.Of(1),
            [
                new DenseDefinition(1)
                {
                    Bias = false, WeightInitializer = new ExplicitValues([1]),
                },
            ]),
        Optimizer = new Sgd { LearningRate = 1e18f },
        Train = InMemoryDataset.OfValues("one", [[1]], [[-1]]),
        BatchSize = 1,
        MicroBatches = 1,
    };

    private sealed class AllocationObserver : ITrainingObserver
    {
        private long _allocated = -1;

        public int Steps { get; private set; }

        public long AllocatedBetweenSteps { get; private set; }

        public void Forget() => (Steps, AllocatedBetweenSteps, _allocated) = (0, 0, -1);

        public void OnStep(in StepReport report)
        {
            long now = GC.GetAllocatedBytesForCurrentThread();
            AllocatedBetweenSteps += _allocated < 0 ? 0 : now - _allocated;
            _allocated = now;
            Steps++;
        }

        public void OnEpoch(EpochReport report)
        {
        }

        public void OnStopped(TrainingResult result)
        {
        }
    }

    private sealed class TimedObserver(ManualTime time, TimeSpan perStep) : ITrainingObserver
    {
        public void OnStep(in StepReport report) => time.Advance(perStep);

        public void OnEpoch(EpochReport report)
        {
        }

        public void OnStopped(TrainingResult result)
        {
        }
    }
}
