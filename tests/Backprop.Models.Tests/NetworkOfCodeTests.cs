using Backprop.Data;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Specification;

namespace Backprop.Models.Tests;

/// <summary>Networks that a program builds and trains without a run's file.</summary>
public sealed class NetworkOfCodeTests
{
    private static Network Xor => Network.Sequential(
        Shape.Of(2),
        new DenseDefinition(4) { Activation = new TanhDefinition(), Name = "hidden" },
        new DenseDefinition(1) { Name = "output" });

    [Fact]
    public void The_run_exclusive_or_comes_to_the_same_weights_in_code()
    {
        using InMemoryDataset samples = Samples();
        TrainingPlan plan = PlanOf(samples) with
        {
            Stop = new StopRules(StopMetric.TrainingLoss, TargetLoss: 0.01),
        };
        AssertSameWeights("xor.conf", plan);
    }

    [Fact]
    public void The_run_iris_comes_to_the_same_weights_in_code()
    {
        RunSpecification run = RunFiles.Read("iris.conf");
        using var data = PreparedData.Of(
            new DataSourceOpener(RepositoryPaths.Root).Open(run.Data.Train.Value, null), null, null,
            seed: 7,
            new PreparationOptions
            {
                Normalize = NormalizationMethod.Standard,
                ValidationFraction = 0.2,
                Stratified = true,
            });
        AssertSameWeights("iris.conf", new TrainingPlan
        {
            Name = "flowers",
            Seed = 7,
            Network = Network.Sequential(
                data.Train.FeatureShape,
                new DenseDefinition(16) { Activation = new TanhDefinition() },
                new DenseDefinition(3) { Name = "output" }),
            Loss = new SoftmaxCrossEntropy(),
            Optimizer = new Adam { LearningRate = 0.01f },
            Train = data.Train,
            Validation = data.Validation,
            Preparation = data.Preparation,
            BatchSize = 16,
            MicroBatches = 4,
            Epochs = 100,
            Stop = new StopRules(StopMetric.ValidationLoss, Patience: 20),
        });
    }

    [Fact]
    public void A_file_of_it_is_loaded_with_its_network_and_with_no_other()
    {
        using InMemoryDataset samples = Samples();
        TrainingPlan plan = PlanOf(samples) with { Epochs = 20 };
        using Model model = Trained(plan, threads: 1, out _);
        string path = Path.Combine(
            Path.GetTempPath(), $"backprop-{Guid.NewGuid():N}.bpm");
        try
        {
            using (FileStream file = File.Create(path))
            {
                model.WriteTo(file);
            }

            using Model loaded = Model.Load(path, Xor, plan.Loss);
            Assert.Equal(
                model.Predict([0, 1]).Values.AsEnumerable(), loaded.Predict([0, 1]).Values);
            Assert.Equal("same, different", string.Join(", ", loaded.TargetNames));

            var other = Network.Sequential(Shape.Of(2), new DenseDefinition(1));
            var refused = Assert.Throws<ModelException>(
                () => Model.Load(path, other, plan.Loss));
            Assert.Contains("has the weights of another network: hidden.weight", refused.Message);
            Assert.Contains("where this one has dense1.weight", refused.Message);

            refused = Assert.Throws<ModelException>(() => Model.Load(path));
            Assert.Contains("is of a network that code has built", refused.Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_takes_a_specification_says_that_there_is_none()
    {
        using InMemoryDataset samples = Samples();
        using Model model = Trained(PlanOf(samples) with { Epochs = 1 }, threads: 1, out _);
        var refused = Assert.Throws<ModelException>(() => model.PredictFile("rows.csv"));
        Assert.Contains("'xor' is of a network that code has built", refused.Message);
        refused = Assert.Throws<ModelException>(() => model.NetworkFor(Shape.Of(3), "three"));
        Assert.Contains("three: samples of 3 features do not suit 'xor'", refused.Message);
    }

    private static TrainingPlan PlanOf(IDataset samples) => new()
    {
        Name = "xor",
        Seed = 1,
        Network = Xor,
        Loss = new BinaryCrossEntropy(),
        Optimizer = new Adam { LearningRate = 0.05f },
        Train = samples,
        BatchSize = 4,
        MicroBatches = 4,
        Epochs = 500,
    };

    private static InMemoryDataset Samples() => InMemoryDataset.OfClasses(
        "xor", [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], ["same", "different"]);

    private static Model Trained(TrainingPlan plan, int threads, out TrainingResult result)
    {
        using var pool = new ComputePool(threads);
        using var trainer = new SingleProcessTrainer(plan, pool, TimeProvider.System);
        result = trainer.Run();
        return Model.Of(plan, trainer.FinalWeights);
    }

    private static void AssertSameWeights(string file, TrainingPlan plan)
    {
        using PlannedRun planned = RunPlanner.Plan(
            RunFiles.Read(file), new DataSourceOpener(RepositoryPaths.Root), long.MaxValue);
        using Model ofRun = Trained(planned.Plan, threads: 1, out TrainingResult expected);
        using Model ofCode = Trained(plan, threads: 2, out TrainingResult actual);
        Assert.Equal(expected.Steps, actual.Steps);
        Assert.Equal(expected.Stop.Kind, actual.Stop.Kind);
        Assert.Equal(expected.WeightsSha256, actual.WeightsSha256);
        Assert.Equal(ofRun.Header.WeightsSha256.AsEnumerable(), ofCode.Header.WeightsSha256);
    }
}
