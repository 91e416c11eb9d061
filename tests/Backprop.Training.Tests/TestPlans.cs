using Backprop.Data;
using Backprop.Data.Batches;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Randomness;
using Backprop.Engine.Schedules;

namespace Backprop.Training.Tests;

/// <summary>The small runs that tests train.</summary>
internal static class TestPlans
{
    /// <summary>Exclusive or: the smallest problem that needs a hidden layer.</summary>
    public static TrainingPlan Xor() => new()
    {
        Name = "xor",
        Seed = 1,
        Network = Network.Build(
            Shape.Of(2),
            [
                new DenseDefinition(8) { Activation = new TanhDefinition() },
                new DenseDefinition(1) { Activation = new SigmoidDefinition() },
            ]),
        Loss = new HalfSquaredError(),
        Optimizer = new Adam { LearningRate = 0.05f },
        Schedule = new ConstantSchedule(),
        BatchSize = 4,
        MicroBatches = 2,
        Epochs = 400,
        Stop = new StopRules(StopMetric.TrainingLoss),
        Train = InMemoryDataset.OfValues(
            "xor", [[0, 0], [0, 1], [1, 0], [1, 1]], [[0], [1], [1], [0]]),
    };

    /// <summary>
    /// A run with everything in it that a resumption, a split or a thread could disturb: a keyed
    /// order, a short last batch, mixed samples, dropout, batch statistics, penalties, clipping, an
    /// optimizer with state and a group of its own, an average, a plateau rule and a patience. 3
    /// steps an epoch, of 16, 16 and 10 rows.
    /// </summary>
    public static TrainingPlan Everything() => new()
    {
        Name = "everything",
        Seed = 42,
        Network = Network.Build(
            Shape.Of(2),
            [
                new DenseDefinition(12),
                new BatchNormalizationDefinition(),
                new ReluDefinition(),
                new DropoutDefinition(0.2f),
                new DenseDefinition(3),
            ]),
        Loss = new SoftmaxCrossEntropy { SoftTargets = true },
        Optimizer = new Adam { LearningRate = 0.02f },
        Groups = [new ParameterGroup(["dense2"]) { LearningRateFactor = 0.5 }],
        Averaging = new ExponentialAveraging(0.8),
        Mixup = new Mixup(0.2, Probability: 0.5),
        Schedule = new PlateauSchedule { Patience = 0, Reduction = 0.5 },
        Penalty = new Penalty(1e-4f, 1e-3f),
        Clipping = new Clipping(0.5f, 0.3f),
        BatchSize = 16,
        MicroBatches = 5,
        Epochs = 5,
        Stop = new StopRules(StopMetric.ValidationLoss, Patience: 50),
        Train = Blobs("train", 42, seed: 7),
        Validation = Blobs("validation", 300, seed: 8),
        Test = Blobs("test", 20, seed: 9),
    };

    /// <summary>
    /// Two inputs in another order than in the sample, put together; three outputs, two of them
    /// held against one target, judged by the accuracy of one, on which learning rate and end
    /// depend.
    /// </summary>
    public static TrainingPlan NamedOutputs() => Everything() with
    {
        Name = "named-outputs",
        Network = Network.Build(
            Shape.Of(3),
            [
                new BranchesDefinition(
                    [
                        [new InputDefinition("point"), new DenseDefinition(8)],
                        [new InputDefinition("more"), new DenseDefinition(4)],
                    ],
                    BranchCombination.Concatenate),
                new BatchNormalizationDefinition(), new ReluDefinition(),
                new OutputDefinition([new DenseDefinition(3)]) { Name = "early" },
                new DropoutDefinition(0.2f), new DenseDefinition(12), new TanhDefinition(),
                new OutputDefinition([new DenseDefinition(3)]) { Name = "heap" },
                new OutputDefinition([new DenseDefinition(2)]) { Name = "place" },
            ],
            inputs:
            [
                new NetworkInput("point", [2, 0], Shape.Of(2)),
                new NetworkInput("more", [1], Shape.Of(1)),
            ]),
        Loss = new LossSum(
            new LossTerm(new SoftmaxCrossEntropy(), 0.25f),
            new LossTerm(new SoftmaxCrossEntropy(0.1f)), new LossTerm(new Huber(1), 0.5f)),
        Targets = ["heap", null, null],
        Groups = [new ParameterGroup(["heap"]) { LearningRateFactor = 0.5 }],
        Mixup = null,
        Stop = new StopRules(StopMetric.ValidationAccuracy, Patience: 50) { Output = "heap" },
        Train = Places("train", 42, seed: 7),
        Validation = Places("validation", 300, seed: 8),
        Test = Places("test", 20, seed: 9),
    };

    /// <summary>Points of three heaps with a number more, each held against its heap and against
    /// what is computed of the three numbers.</summary>
    public static InMemoryDataset Places(string name, int count, ulong seed)
    {
        InMemoryDataset points = Blobs(name, count, seed);
        var random = new RandomStream(seed, RandomPurpose.Generation, 1);
        float[] features = new float[3 * count], targets = new float[3 * count];
        for (int i = 0; i < count; i++)
        {
            points.ReadFeatures(i, features.AsSpan(3 * i, 2));
            points.ReadTarget(i, targets.AsSpan(3 * i, 1));
            features[(3 * i) + 2] = random.Uniform((ulong)i, 0);
            targets[(3 * i) + 1] = features[3 * i] * features[(3 * i) + 2];
            targets[(3 * i) + 2] = features[(3 * i) + 1] - features[(3 * i) + 2];
        }

        return new InMemoryDataset(
            name, Shape.Of(3),
            new TargetSchema.Several(
            [
                KeyValuePair.Create("heap", points.Target),
                KeyValuePair.Create<string, TargetSchema>(
                    "place", new TargetSchema.Values(["across", "up"])),
            ]),
            features, targets);
    }

    /// <summary>Three overlapping heaps of points, a class each.</summary>
    public static InMemoryDataset Blobs(string name, int count, ulong seed)
    {
        var random = new RandomStream(seed, RandomPurpose.Generation);
        float[][] points = new float[count][];
        int[] labels = new int[count];
        for (int i = 0; i < count; i++)
        {
            labels[i] = i % 3;
            float aside = random.Uniform((ulong)i, 0) + random.Uniform((ulong)i, 1) - 1;
            float up = random.Uniform((ulong)i, 2) + random.Uniform((ulong)i, 3) - 1;
            points[i] = [labels[i] - 1 + aside, (labels[i] == 1 ? 1 : 0) + up];
        }

        return InMemoryDataset.OfClasses(name, points, labels, ["left", "middle", "right"]);
    }
}
