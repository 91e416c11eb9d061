using Backprop.Engine.Gradients;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Tests.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Every layer computes what PyTorch computes in double precision. Before the layer stands
/// a dense layer that is the identity: its output gradient is the layer's input gradient.</summary>
public sealed class PyTorchLayerTests
{
    private const double SingleTolerance = 2e-6;
    private const double DoubleTolerance = 1e-13;

    // What each case over images or sequences is of.
    private static readonly Dictionary<string, LayerDefinition> s_imageLayers = new()
    {
        ["convolution-2d"] = Convolution(4, 3, 3),
        ["convolution-2d-same"] = Convolution(4, 3, 2) with { Padding = Padding.Same },
        ["convolution-2d-strided"] = Convolution(5, 3, 3) with
        {
            Stride = new(2, 3), Padding = Padding.Of(1, 2), Dilation = new(1, 2),
        },
        ["convolution-2d-grouped"] = Convolution(6, 3, 3) with
        {
            Padding = Padding.Of(1, 1), Groups = 2,
        },
        ["convolution-2d-depthwise"] = Convolution(5, 3, 3) with
        {
            Padding = Padding.Same, Groups = 5,
        },
        ["convolution-1d"] = new ConvolutionDefinition(1, 4, new(1, 5))
        {
            Stride = new(1, 2), Padding = Padding.Of(0, 2),
        },
        ["transposed-convolution-2d"] = Convolution(3, 3, 3) with
        {
            IsTransposed = true, Stride = new(2, 2), Padding = Padding.Of(1, 1),
        },
        ["transposed-convolution-2d-grouped"] = Convolution(6, 2, 3) with
        {
            IsTransposed = true, Stride = new(1, 2), Dilation = new(2, 2), Groups = 2,
        },
        ["transposed-convolution-1d"] = new ConvolutionDefinition(1, 2, new(1, 4))
        {
            IsTransposed = true, Stride = new(1, 3),
        },
        ["max-pooling-2d"] = new PoolingDefinition(2, PoolingRule.Max, new(2, 2)),
        ["max-pooling-2d-overlapping"] = Overlapping(PoolingRule.Max),
        ["max-pooling-1d"] = new PoolingDefinition(1, PoolingRule.Max, new(1, 3))
        {
            Stride = new(1, 2),
        },
        ["average-pooling-2d"] = new PoolingDefinition(2, PoolingRule.Average, new(2, 2)),
        ["average-pooling-2d-overlapping"] = Overlapping(PoolingRule.Average),
        ["average-pooling-1d"] = new PoolingDefinition(1, PoolingRule.Average, new(1, 3))
        {
            Stride = new(1, 2),
        },
        ["global-max-pooling"] = new GlobalPoolingDefinition(PoolingRule.Max),
        ["global-average-pooling"] = new GlobalPoolingDefinition(PoolingRule.Average),
        ["group-normalization"] = new GroupNormalizationDefinition(2),
        ["batch-normalization-2d"] = new BatchNormalizationDefinition(),
        ["upsampling-2d"] = new UpsamplingDefinition(2, new(2, 3)),
        ["upsampling-1d"] = new UpsamplingDefinition(1, new(1, 2)),
    };

    public static TheoryData<string> Names =>
    [
        "dense", "sigmoid", "tanh", "relu", "leaky-relu", "gelu", "silu", "softmax",
        "layer-normalization", "batch-normalization", "residual", .. s_imageLayers.Keys,
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_and_gradients_agree_with_PyTorch(string name)
    {
        PyTorchCase expected = PyTorchCase.Named(name);
        using var setup = new Setup(expected);
        setup.Executor.ComputeGradients(
            setup.Batch, setup.Work, setup.Gradients, listener: null);

        Close(expected.Y, setup.Executor.Activation(setup.Network.Nodes.Length - 1), name);
        Close(expected.Dx, setup.Executor.OutputGradient(0), $"{name}: dx");
        foreach ((string parameter, double[] gradient) in expected.Gradients)
        {
            Close(gradient, setup.GradientOf(parameter), $"{name}: {parameter}");
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_double_precision_definition_agrees_with_PyTorch(string name)
    {
        PyTorchCase expected = PyTorchCase.Named(name);
        using var setup = new Setup(expected);
        var reference = new ReferenceNetwork(
            setup.Network, new LinearLoss(), setup.Weights, setup.Batch, setup.Work);
        reference.ComputeLoss();
        ReadOnlySpan<double> output = reference.Output(setup.Network.Nodes.Length - 1);
        for (int i = 0; i < expected.Y.Length; i++)
        {
            double error = Math.Abs(expected.Y[i] - output[i]);
            Assert.True(
                error <= DoubleTolerance * Math.Max(1, Math.Abs(expected.Y[i])),
                $"{name}[{i}]: {output[i]:R} where PyTorch has {expected.Y[i]:R}");
        }
    }

    [Fact]
    public void Batch_normalization_in_evaluation_uses_the_running_statistics()
    {
        PyTorchCase expected = PyTorchCase.Named("batch-normalization-evaluation");
        using var setup = new Setup(expected);
        var output = new float[expected.Y.Length];
        setup.Executor.Evaluate(setup.Batch, output, rowLosses: []);
        Close(expected.Y, output, expected.Name);
    }

    [Fact]
    public void Batch_normalization_observes_what_PyTorch_folds_into_its_running_statistics()
    {
        PyTorchCase expected = PyTorchCase.Named("batch-normalization");
        using var setup = new Setup(expected);
        setup.Executor.ComputeGradients(
            setup.Batch, setup.Work, setup.Gradients, listener: null);
        foreach (string statistic in new[] { "running_mean", "running_var" })
        {
            double[] before = expected.Parameters[statistic];
            double[] after = expected.StatisticsAfter[statistic];
            ReadOnlySpan<float> observed = setup.GradientOf(statistic);
            var updated = new float[before.Length];
            for (int i = 0; i < before.Length; i++)
            {
                updated[i] = (float)(before[i] + 0.1 * (observed[i] - before[i]));
            }

            Close(after, updated, statistic);
        }
    }

    private static ConvolutionDefinition Convolution(int filters, int height, int width) =>
        new(2, filters, new Extent(height, width));

    private static PoolingDefinition Overlapping(PoolingRule rule) =>
        new(2, rule, new Extent(3, 3)) { Stride = new(2, 2), Padding = Padding.Of(1, 1) };

    private static void Close(double[] expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        double size = expected.Max(Math.Abs);
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.True(
                Math.Abs(expected[i] - actual[i])
                    <= SingleTolerance * Math.Max(size, Math.Abs(expected[i])),
                $"{what}[{i}]: {actual[i]:R} where PyTorch has {expected[i]:R}");
        }
    }

    private sealed class Setup : IDisposable
    {
        private readonly ComputePool _pool = new(1);

        public Setup(PyTorchCase expected)
        {
            int width = expected.Inputs;
            var identity = new float[width * width];
            for (int i = 0; i < width; i++)
            {
                identity[i * width + i] = 1;
            }

            var first = new DenseDefinition(width)
            {
                Name = "identity",
                WeightInitializer = new ExplicitValues([.. identity]),
                Bias = false,
            };
            Network = Network.Build(
                Shape.Of(width),
                [first, new ReshapeDefinition(expected.RowShape), DefinitionOf(expected)]);
            Weights = new AlignedBuffer(Network.Layout.Length);
            Network.InitializeWeights(seed: 0, Weights);
            foreach ((string parameter, double[] values) in expected.Parameters)
            {
                ParameterView view = ViewOf(parameter);
                Narrow(values, 1, Weights.Span.Slice(view.Offset, view.Length));
            }

            // The loss's gradient is scaled by 1 / rows; the targets make up for it.
            Batch = new Batch(expected.Rows, width, expected.Outputs) { Rows = expected.Rows };
            Narrow(expected.X, 1, Batch.Features.Span);
            Narrow(expected.Dy, expected.Rows, Batch.Targets.Span);
            Work = new StepWork(Seed: 0, Step: 0, new MicroBatches(expected.Rows, 1));
            Gradients = new GradientSet(Network.Layout, 0, 1, 1);
            Executor = new NetworkExecutor(
                Network, new LinearLoss(), expected.Rows, maxMicroBatches: 1, _pool);
            Executor.UseWeights(Weights);
        }

        public Network Network { get; }

        public AlignedBuffer Weights { get; }

        public Batch Batch { get; }

        public StepWork Work { get; }

        public GradientSet Gradients { get; }

        public NetworkExecutor Executor { get; }

        public ReadOnlySpan<float> GradientOf(string parameter)
        {
            ParameterView view = ViewOf(parameter);
            return Gradients.Gradient(0).Span.Slice(view.Offset, view.Length);
        }

        public void Dispose()
        {
            Executor.Dispose();
            Gradients.Dispose();
            Batch.Dispose();
            Weights.Dispose();
            _pool.Dispose();
        }

        private static LayerDefinition DefinitionOf(PyTorchCase expected) => expected.Name switch
        {
            "dense" => new DenseDefinition(expected.Outputs),
            "sigmoid" => new SigmoidDefinition(),
            "tanh" => new TanhDefinition(),
            "relu" => new ReluDefinition(),
            "leaky-relu" => new LeakyReluDefinition(0.125f),
            "gelu" => new GeluDefinition(),
            "silu" => new SiluDefinition(),
            "softmax" => new SoftmaxDefinition(),
            "layer-normalization" => new LayerNormalizationDefinition(),
            "residual" => new ResidualDefinition(
                [new DenseDefinition(expected.Inputs) { Activation = new TanhDefinition() }]),
            _ => s_imageLayers.GetValueOrDefault(
                expected.Name, new BatchNormalizationDefinition()),
        };

        private ParameterView ViewOf(string parameter) => Network.Layout.Views.Single(
            view => view.LayerIndex > 0 && view.Name.EndsWith($".{parameter}"));

        private static void Narrow(double[] values, double factor, Span<float> destination)
        {
            for (int i = 0; i < values.Length; i++)
            {
                destination[i] = (float)(factor * values[i]);
            }
        }
    }
}
