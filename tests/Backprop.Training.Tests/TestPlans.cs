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
