using System.Collections.Immutable;
using Acme.Layers;
using Backprop.Engine.Gradients;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;
using Backprop.Engine.Tests.Networks;

namespace Backprop.Engine.Tests.Plugins;

/// <summary>Layers of plug-ins, through the contract alone: their gradients are right, and their
/// bits the same however rows, threads and micro-batches are shared.</summary>
public sealed class PluginLayerTests
{
    private const double Tolerance = 2e-4;
    private const int Rows = 37;
    private const int MicroBatches = 5;

    public static TheoryData<string> Layers => ["swish", "unit-length", "radial-basis", "noise"];

    [Theory]
    [MemberData(nameof(Layers))]
    public void Gradients_agree_with_central_differences(string name)
    {
        using Trial trial = NewTrial(name, threads: 1, width: 9);
        ImmutableArray<TensorGradientCheck> results = GradientCheck.Run(
            trial.Network, trial.Loss, trial.Weights, trial.Batch, trial.Work,
            elementsPerTensor: 40, trial.Pool);
        Assert.Contains(results, result => result.Name == "dense1.weight");
        Assert.Equal(name == "radial-basis", results.Any(result => result.Name == "own.centres"));
        foreach (TensorGradientCheck result in results)
        {
            Assert.True(
                result.MaxRelativeError < Tolerance && result.Skipped == 0, $"{name}: {result}");
        }
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void Bits_do_not_depend_on_threads(string name)
    {
        using Trial one = NewTrial(name, threads: 1);
        (float[] gradient, double lossSum) = one.ComputeAll();
        foreach (int threads in new[] { 2, 3 })
        {
            using Trial several = NewTrial(name, threads);
            (float[] other, double otherSum) = several.ComputeAll();
            Assert.Equal(lossSum, otherSum);
            Assert.Equal(gradient, other);
        }
    }

    [Theory]
    [MemberData(nameof(Layers))]
    public void Bits_do_not_depend_on_who_computes_which_micro_batches(string name)
    {
        using Trial trial = NewTrial(name, threads: 2);
        (float[] whole, _) = trial.ComputeAll();

        // Micro-batches 0 to 3 are one node of the tree, and 4 is passed up to the root.
        using GradientSet left = trial.Compute(0, 4, out _);
        using GradientSet right = trial.Compute(4, MicroBatches, out _);
        Assert.Single(left.Nodes);
        Assert.Single(right.Nodes);
        var sum = new float[whole.Length];
        GradientSum.Add(left.Gradient(0).Span, right.Gradient(0).Span, sum);
        Assert.Equal(whole, sum);
    }

    // The engine's own layer is the oracle of the sums' order: over rows, then up the tree.
    [Fact]
    public void A_bias_of_a_plug_in_has_the_bits_of_a_dense_layers()
    {
        using var own = new Trial(
            Shape.Of(7),
            [new DenseDefinition(19) { Name = "a", Bias = false }, Definition(new BiasFactory())],
            Rows, MicroBatches, threads: 3);
        using var plugged = new Trial(
            Shape.Of(7), [new DenseDefinition(19) { Name = "a" }], Rows, MicroBatches, threads: 3);
        Assert.True(own.Network.Layout.TryFind("own.bias", out ParameterView? mine));
        Assert.True(plugged.Network.Layout.TryFind("a.bias", out ParameterView? engines));
        float[] gradient = own.ComputeAll().Gradient, expected = plugged.ComputeAll().Gradient;
        Assert.Equal(
            expected.AsSpan(engines.Offset, engines.Length),
            gradient.AsSpan(mine.Offset, mine.Length));
    }

    // By hand: |(3, 4)| = 5, and of e^(−2·|x − c|²) with x − c = (0.5, −0.25).
    [Fact]
    public void What_the_example_computes_is_what_it_says()
    {
        float[] unit = Forward(new UnitLengthFactory(), Shape.Of(2), [3, 4], [], "epsilon", 1e-12);
        Assert.Equal([0.6f, 0.8f], unit);
        using var trial = new Trial(
            Shape.Of(2), [Definition(new RadialBasisFactory(), RadialBasis(1))], rows: 1);
        trial.Parameter("own.centres")[0] = 0.5f;
        trial.Parameter("own.centres")[1] = 0.25f;
        trial.Parameter("own.sharpness")[0] = 2;
        trial.Batch.Features.Span[0] = 1;
        trial.Batch.Features.Span[1] = 0;
        trial.Compute(0, 1, out float[] output).Dispose();
        Assert.Equal(Math.Exp(-2 * 0.3125), output[0], 1e-7);
    }

    [Fact]
    public void Noise_is_of_the_sample_and_the_step_and_not_in_evaluation()
    {
        using Trial trial = NewTrial("noise", threads: 2);
        trial.Compute(0, MicroBatches, out float[] whole).Dispose();
        trial.Compute(2, 3, out float[] part).Dispose();
        int first = trial.Work.MicroBatches.Start(2), width = trial.Network.OutputShape.Count;
        Assert.Equal(part, whole.AsSpan(first * width, part.Length));

        using NetworkExecutor executor = trial.NewExecutor();
        var evaluated = new float[Rows * width];
        executor.Evaluate(trial.Batch, evaluated, []);
        Assert.NotEqual(whole, evaluated);
    }

    [Fact]
    public void A_layer_that_fails_is_named_with_the_sample()
    {
        using var trial = new Trial(Shape.Of(4), [Definition(new FailingFactory())], rows: 3);
        var failure = Assert.Throws<LayerPluginException>(() => trial.ComputeAll());
        Assert.Equal(
            "layer 'own' (test-failing of Test.dll) failed forward, on sample 1000: "
            + "IndexOutOfRangeException: Index was outside the bounds of the array.",
            failure.Message);
    }

    [Fact]
    public void What_is_no_layer_is_refused_when_the_network_is_built()
    {
        var refused = Assert.Throws<ArgumentException>(() => Network.Build(
            Shape.Of(4), [Definition(new StatisticFactory())]));
        Assert.Contains("has the running statistic 'mean'", refused.Message);
        refused = Assert.Throws<ArgumentException>(() => Network.Build(
            Shape.Of(4), [Definition(new RadialBasisFactory())]));
        Assert.Equal(
            "layer 'own' (acme-radial-basis of Test.dll): the layer has no option 'units' of this "
            + "type",
            refused.Message);
    }

    // Wide enough that the pool shares the work, unless it is told otherwise.
    private static Trial NewTrial(string name, int threads, int width = 531) => new(
        Shape.Of(6),
        [
            new DenseDefinition(width), name switch
            {
                "swish" => Definition(new SwishFactory(), ("beta", 1.5)),
                "unit-length" => Definition(new UnitLengthFactory(), ("epsilon", 1e-6)),
                "radial-basis" => Definition(new RadialBasisFactory(), RadialBasis(21)),
                _ => Definition(new NoiseFactory()),
            },
            new DenseDefinition(3),
        ],
        Rows, MicroBatches, threads);

    private static (string, object)[] RadialBasis(int units) =>
        [("units", units), ("sharpness", 0.03), ("spread", 0.5)];

    private static PluginLayerDefinition Definition(
        ILayerFactory factory, params (string Name, object Value)[] options) => new(
        new LayerPlugin("Test.dll", new string('a', 64), [factory]), factory,
        new LayerOptions(options.ToImmutableDictionary(o => o.Name, o => o.Value)))
    {
        Name = "own",
    };

    private static float[] Forward(
        ILayerFactory factory, Shape shape, float[] row, float[] parameters, string option,
        object value)
    {
        using var trial = new Trial(shape, [Definition(factory, (option, value))], rows: 1);
        row.CopyTo(trial.Batch.Features.Span);
        parameters.CopyTo(trial.Weights.Span);
        trial.Compute(0, 1, out float[] output).Dispose();
        return output;
    }

    private sealed class BiasFactory : ILayerFactory
    {
        public string Kind => "test-bias";

        public ILayer Create(Shape input, LayerOptions options) => new Bias(input);
    }

    private sealed class Bias(Shape shape) : ILayer
    {
        public Shape OutputShape => shape;

        public ImmutableArray<ParameterDeclaration> Parameters =>
            [new("bias", shape, ParameterRole.Bias, Constant.Zeros)];

        public void Forward<T>(in RowForward<T> row)
            where T : unmanaged, IReal<T>
        {
            for (int i = 0; i < row.Output.Length; i++)
            {
                row.Output[i] = row.Input[i] + row.Parameter(0)[i];
            }
        }

        public void Backward<T>(in RowBackward<T> row)
            where T : unmanaged, IReal<T>
        {
            for (int i = 0; i < row.Output.Length; i++)
            {
                row.ParameterGradient(0)[i] += row.OutputGradient[i];
                row.InputGradient[i] = row.OutputGradient[i];
            }
        }
    }

    private sealed class NoiseFactory : ILayerFactory
    {
        public string Kind => "test-noise";

        public ILayer Create(Shape input, LayerOptions options) => new Noise(input);
    }

    /// <summary>y = x·(1 + u), u uniform, while training.</summary>
    private sealed class Noise(Shape shape) : ILayer
    {
        public Shape OutputShape => shape;

        public void Forward<T>(in RowForward<T> row)
            where T : unmanaged, IReal<T>
        {
            for (int i = 0; i < row.Output.Length; i++)
            {
                T factor = row.IsTraining ? 1 + (T)row.Random.Uniform(i) : 1;
                row.Output[i] = row.Input[i] * factor;
            }
        }

        public void Backward<T>(in RowBackward<T> row)
            where T : unmanaged, IReal<T>
        {
            for (int i = 0; i < row.Output.Length; i++)
            {
                row.InputGradient[i] = row.OutputGradient[i] * (1 + (T)row.Random.Uniform(i));
            }
        }
    }

    private sealed class FailingFactory : ILayerFactory
    {
        public string Kind => "test-failing";

        public ILayer Create(Shape input, LayerOptions options) => new Failing(input);
    }

    private sealed class Failing(Shape shape) : ILayer
    {
        public Shape OutputShape => shape;

        public void Forward<T>(in RowForward<T> row)
            where T : unmanaged, IReal<T> => row.Output[shape.Count] = 1;

        public void Backward<T>(in RowBackward<T> row)
            where T : unmanaged, IReal<T>
        {
        }
    }

    private sealed class StatisticFactory : ILayerFactory
    {
        public string Kind => "test-statistic";

        public ILayer Create(Shape input, LayerOptions options) => new Statistic(input);
    }

    private sealed class Statistic(Shape shape) : ILayer
    {
        public Shape OutputShape => shape;

        public ImmutableArray<ParameterDeclaration> Parameters =>
        [
            new(
                "mean", shape, ParameterRole.Statistic, Constant.Zeros, StatisticMomentum: 0.9),
        ];

        public void Forward<T>(in RowForward<T> row)
            where T : unmanaged, IReal<T>
        {
        }

        public void Backward<T>(in RowBackward<T> row)
            where T : unmanaged, IReal<T>
        {
        }
    }
}
