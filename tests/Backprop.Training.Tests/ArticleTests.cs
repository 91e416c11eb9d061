using System.Text.Json;
using Backprop.Data;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Engine.Threading;

namespace Backprop.Training.Tests;

/// <summary>The worked examples of the articles, against their numbers in double precision
/// (<c>Fixtures/seeds.json</c>).</summary>
public sealed class ArticleTests
{
    private static readonly JsonElement Reference = ReadReference();

    // One step is a few dozen float operations on numbers below 1, each of which rounds by at most
    // half a unit in the last place, 3e-8 for numbers above a half. Gradients are a tenth of that
    // size and less, so that three such roundings are more than may meet in one weight; the
    // greatest seen is 4e-8.
    private const double OneStep = 1e-7;

    [Theory]
    [InlineData("targets_0.01_0.99", 0.99f)]
    [InlineData("targets_0.01_0.22", 0.22f)]
    public void The_first_step_of_the_2_2_2_network_is_as_printed(string targets, float second)
    {
        using var observer = new WeightsObserver();
        TrainingResult result = TrainWorkedExample(second, steps: 1, observer);

        AssertStep(targets, "step_0", result.Losses[0], observer.Weights(0), OneStep);
    }

    [Fact]
    public void The_second_step_reads_the_weights_of_the_first()
    {
        using var observer = new WeightsObserver();
        TrainingResult result = TrainWorkedExample(0.99f, steps: 2, observer);

        AssertStep("targets_0.01_0.99", "step_1", result.Losses[1], observer.Weights(0), OneStep);
    }

    // Every update rounds the new weight: for those near 3.9 by up to 2^-23 = 1.2e-7. Ten thousand
    // roundings that go either way add up like the root of their number, to 1.2e-5 at the most, and
    // descent pulls back what they move; the greatest seen is 3e-6, and 4e-11 in the loss.
    [Fact]
    public void Ten_thousand_steps_come_to_the_printed_weights()
    {
        using var observer = new WeightsObserver();
        TrainingResult result = TrainWorkedExample(0.99f, steps: 10_000, observer);

        AssertStep(
            "targets_0.01_0.99", "step_9999", result.Losses[^1], observer.Weights(0), 1.2e-5);
        Assert.Equal(3.510854812251261e-05, result.Losses[^1], 2e-10);
    }

    [Theory]
    [InlineData(0f, 4)]
    [InlineData(-4f, -4)]
    public void Descent_on_the_parabola_starts_with_the_printed_slope(float start, double slope)
    {
        using var observer = new WeightsObserver();
        TrainParabola(start, rate: 0.125f, steps: 1, observer);

        // Powers of two: exact in floats.
        Assert.Equal(Math.Abs(slope), observer.Steps[0].GradientNorm);
        Assert.Equal(start - (0.125 * slope), observer.Weights(0)[0]);
        Assert.Equal(4, observer.Steps[0].Loss);
        Assert.Equal(
            Reference.GetProperty("descent_1d").GetProperty("slopes")
                .GetProperty(start == 0 ? "0" : "-4").GetDouble(),
            slope);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-4f)]
    public void Descent_on_the_parabola_ends_at_its_lowest_point(float start)
    {
        using var observer = new WeightsObserver();
        TrainParabola(start, rate: 0.1f, steps: 200, observer);

        double lowest = Reference.GetProperty("descent_1d").GetProperty("minimum_x").GetDouble();
        Assert.Equal(lowest, observer.Weights(0)[0], 1e-6);
    }

    private static TrainingResult TrainWorkedExample(
        float secondTarget, long steps, WeightsObserver observer)
    {
        // Rows of a dense layer's weight are inputs: w1 and w3 leave the first one.
        DenseDefinition Layer(float[] weights, float bias) => new(2)
        {
            Activation = new SigmoidDefinition(),
            WeightInitializer = new ExplicitValues([.. weights]),
            BiasInitializer = new ExplicitValues([bias, bias]),
            BiasTrainable = false,
        };

        return Train(
            Network.Build(
                Shape.Of(2),
                [
                    Layer([0.15f, 0.25f, 0.20f, 0.30f], 0.35f),
                    Layer([0.40f, 0.50f, 0.45f, 0.55f], 0.60f),
                ]),
            new HalfSquaredError(), 0.5f,
            InMemoryDataset.OfValues("article", [[0.05f, 0.10f]], [[0.01f, secondTarget]]), steps,
            observer);
    }

    // (x + 2)² is the squared error of a network that is one weight x, for input 1 and target −2.
    private static void TrainParabola(
        float start, float rate, long steps, WeightsObserver observer) =>
        Train(
            Network.Build(
                Shape.Of(1),
                [
                    new DenseDefinition(1)
                    {
                        Bias = false,
                        WeightInitializer = new ExplicitValues([start]),
                    },
                ]),
            new MeanSquaredError(), rate, InMemoryDataset.OfValues("parabola", [[1]], [[-2]]),
            steps, observer);

    private static TrainingResult Train(
        Network network, Loss loss, float rate, IDataset samples, long steps,
        WeightsObserver observer)
    {
        var plan = new TrainingPlan
        {
            Name = "article",
            Seed = 1,
            Network = network,
            Loss = loss,
            Optimizer = new Sgd { LearningRate = rate },
            Schedule = new ConstantSchedule(),
            BatchSize = 1,
            MicroBatches = 1,
            Epochs = (int)steps,
            Stop = new StopRules(StopMetric.TrainingLoss),
            Train = samples,
        };
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(plan, pool, new ManualTime());
        TrainingResult result = trainer.Run(observer, null, CancellationToken.None);
        observer.Keep(trainer, network);
        return result;
    }

    private static void AssertStep(
        string targets, string step, double loss, float[] weights, double tolerance)
    {
        JsonElement expected =
            Reference.GetProperty("worked_2_2_2").GetProperty(targets).GetProperty(step);
        Assert.Equal(expected.GetProperty("total_error").GetDouble(), loss, tolerance);
        double[] after =
            [.. expected.GetProperty("weights_after").EnumerateArray().Select(w => w.GetDouble())];

        // From w1 to w8, which the article counts by the neuron they lead to.
        int[] order = [0, 2, 1, 3, 4, 6, 5, 7];
        for (int i = 0; i < after.Length; i++)
        {
            Assert.Equal(after[i], weights[order[i]], tolerance);
        }
    }

    private static JsonElement ReadReference()
    {
        using Stream stream =
            typeof(ArticleTests).Assembly.GetManifestResourceStream("seeds.json")!;
        using var document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }

    private sealed class WeightsObserver : ITrainingObserver, IDisposable
    {
        private float[] _weights = [];

        public List<StepReport> Steps { get; } = [];

        public float[] Weights(int first) => _weights[first..];

        public void Keep(SingleProcessTrainer trainer, Network network) => _weights =
        [
            .. network.Layout.Views
                .Where(view => view.Declaration.Role == ParameterRole.Weight)
                .SelectMany(view =>
                    trainer.FinalWeights.Span.Slice(view.Offset, view.Length).ToArray()),
        ];

        public void OnStep(in StepReport report) => Steps.Add(report);

        public void OnEpoch(EpochReport report)
        {
        }

        public void OnStopped(TrainingResult result)
        {
        }

        public void Dispose()
        {
        }
    }
}
