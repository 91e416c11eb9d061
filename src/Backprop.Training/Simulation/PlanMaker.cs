using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;

namespace Backprop.Training.Simulation;

/// <summary>Makes a tiny run with whatever a cluster could get wrong: empty micro-batches, batch
/// statistics, dropout, penalties, clipping, plateaus, early stopping, numbers that overflow.
/// </summary>
internal sealed class PlanMaker(ulong seed, Draws draws)
{
    // Short blocks, so that a few hundred parameters are several slices.
    private const int BlockLength = 64;
    private const int Features = 2;
    private const int Classes = 3;
    private const float Overflowing = 1e30f;

    public TrainingPlan Make()
    {
        bool isClassification = draws.Chance(0.5);
        int batchSize = draws.Between(4, 16);
        int rows = (batchSize * draws.Between(1, 4)) + draws.Between(0, batchSize - 1);
        bool hasValidation = draws.Chance(0.7);
        bool overflows = draws.Chance(0.03);
        return new TrainingPlan
        {
            Name = "simulated",
            Seed = seed,
            Network = Network.Build(Shape.Of(Features), DrawLayers(isClassification), BlockLength),
            Loss = isClassification ? new SoftmaxCrossEntropy() : new HalfSquaredError(),
            Optimizer = overflows ? new Sgd { LearningRate = Overflowing } : DrawOptimizer(),
            Schedule = DrawSchedule(),
            Penalty = draws.Chance(0.4) ? new Penalty(1e-4f, 1e-3f) : Penalty.None,
            Clipping = overflows ? Clipping.None : DrawClipping(),
            BatchSize = batchSize,
            MicroBatches = Math.Min(batchSize, draws.Of(1, 2, 3, 4, 5, 7, 8, 11, 16)),
            Epochs = draws.Between(1, 4),
            Stop = DrawStop(hasValidation),
            Train = Samples("train", rows, isClassification),
            Validation = hasValidation
                ? Samples("validation", draws.Between(1, 700), isClassification)
                : null,
            Shuffle = draws.Chance(0.8),
            Averaging = overflows ? null : DrawAveraging(),
        };
    }

    private List<LayerDefinition> DrawLayers(bool isClassification)
    {
        List<LayerDefinition> layers = [new DenseDefinition(draws.Between(8, 48))];
        if (draws.Chance(0.4))
        {
            layers.Add(new BatchNormalizationDefinition());
        }

        layers.Add(draws.Of<LayerDefinition>(new ReluDefinition(), new TanhDefinition()));
        if (draws.Chance(0.4))
        {
            layers.Add(new DropoutDefinition(0.2f));
        }

        layers.Add(new DenseDefinition(draws.Between(4, 16)) { Activation = new TanhDefinition() });
        layers.Add(new DenseDefinition(isClassification ? Classes : 1));
        return layers;
    }

    private Optimizer DrawOptimizer()
    {
        float rate = draws.Of(0.003f, 0.01f, 0.05f);
        return draws.Of<Optimizer>(
            new Sgd { LearningRate = rate }, new Momentum { LearningRate = rate },
            new Nesterov { LearningRate = rate }, new Adam { LearningRate = rate },
            new AdamW { LearningRate = rate }, new Adagrad { LearningRate = rate },
            new RmsProp { LearningRate = rate }, new Lion { LearningRate = rate / 10 });
    }

    // It changes nothing of training, so it is drawn without moving the draws of what does.
    private Averaging? DrawAveraging() => (seed % 8) switch
    {
        1 => new ExponentialAveraging(0.9),
        2 => new StochasticAveraging(2),
        5 => new ExponentialAveraging(0.9) { EvaluatesEpochs = true },
        6 => new StochasticAveraging(2) { EvaluatesEpochs = true },
        _ => null,
    };

    private LearningRateSchedule DrawSchedule() => draws.Of<LearningRateSchedule>(
        new ConstantSchedule(), new PlateauSchedule { Patience = 0, Reduction = 0.5 },
        new StepSchedule { Epochs = 1, Reduction = 0.5 }, new CosineSchedule(),
        new WarmUpSchedule { Steps = 4 });

    private Clipping DrawClipping() => draws.Of(
        Clipping.None, new Clipping(null, 0.3f), new Clipping(0.5f, null),
        new Clipping(0.5f, 0.3f));

    private StopRules DrawStop(bool hasValidation) => new(
        hasValidation && draws.Chance(0.5) ? StopMetric.ValidationLoss : StopMetric.TrainingLoss,
        Patience: draws.Chance(0.4) ? draws.Between(1, 3) : null,
        TargetLoss: draws.Chance(0.1) ? 0.3 : null,
        MaxSteps: draws.Chance(0.15) ? draws.Between(1, 12) : null);

    // Heaps of points that overlap; as values, the number of the heap.
    private InMemoryDataset Samples(string name, int count, bool isClassification)
    {
        var points = new float[count][];
        var labels = new int[count];
        for (int i = 0; i < count; i++)
        {
            labels[i] = draws.Between(0, Classes - 1);
            points[i] =
            [
                (float)(labels[i] - 1 + draws.Between(-1.0, 1)),
                (float)(labels[i] % 2 + draws.Between(-1.0, 1)),
            ];
        }

        return isClassification
            ? InMemoryDataset.OfClasses(name, points, labels, ["left", "middle", "right"])
            : InMemoryDataset.OfValues(
                name, points, [.. labels.Select(label => new float[] { label })]);
    }
}
