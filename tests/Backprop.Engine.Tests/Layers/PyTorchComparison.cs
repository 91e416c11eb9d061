using Backprop.Engine.Gradients;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Tests.Networks;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Layers;

/// <summary>A layer with the parameters, input and output gradient of a PyTorch case, to be held
/// against what PyTorch computed. Before the layer stands a dense layer that is the identity: its
/// output gradient is the layer's input gradient.</summary>
internal sealed class PyTorchComparison : IDisposable
{
    private const double SingleTolerance = 2e-6;
    private const double DoubleTolerance = 1e-13;

    private readonly ComputePool _pool = new(1);
    private readonly PyTorchCase _expected;

    /// <summary>Builds the layer and fills everything in.</summary>
    public PyTorchComparison(PyTorchCase expected, LayerDefinition layer)
    {
        _expected = expected;
        LayerDefinition own = layer with { Name = "own" };
        Network = NetworkOf(expected.Shape, own);
        Weights = new AlignedBuffer(Network.Layout.Length);
        Network.InitializeWeights(seed: 0, Weights);
        foreach ((string parameter, double[] values) in expected.Parameters)
        {
            ParameterView view = ViewOf(parameter);
            Narrow(values, 1, Weights.Span.Slice(view.Offset, view.Length));
        }

        // The loss's gradient is scaled by 1 / rows; the targets make up for it.
        Batch = new Batch(expected.Rows, expected.Inputs, expected.Outputs)
        {
            Rows = expected.Rows,
        };
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

    /// <summary>Asserts that values and gradients are PyTorch's, but for what single precision
    /// rounds.</summary>
    public void AssertGradients()
    {
        Executor.ComputeGradients(Batch, Work, Gradients, listener: null);
        string name = _expected.Name;
        Close(_expected.Y, Executor.Activation(Network.Nodes.Length - 1), name);
        if (_expected.Dx.Length > 0)
        {
            Close(_expected.Dx, Executor.OutputGradient(0), $"{name}: dx");
        }

        foreach ((string parameter, double[] gradient) in _expected.Gradients)
        {
            Close(gradient, GradientOf(parameter), $"{name}: {parameter}");
        }
    }

    /// <summary>Asserts that the definition in double precision is PyTorch's.</summary>
    public void AssertReference()
    {
        var reference = new ReferenceNetwork(Network, new LinearLoss(), Weights, Batch, Work);
        reference.ComputeLoss();
        ReadOnlySpan<double> output = reference.Output(Network.Nodes.Length - 1);
        for (int i = 0; i < _expected.Y.Length; i++)
        {
            double error = Math.Abs(_expected.Y[i] - output[i]);
            Assert.True(
                error <= DoubleTolerance * Math.Max(1, Math.Abs(_expected.Y[i])),
                $"{_expected.Name}[{i}]: {output[i]:R} where PyTorch has {_expected.Y[i]:R}");
        }
    }

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

    private static Network NetworkOf(Shape input, LayerDefinition own)
    {
        // A dense layer reads numbers, or sequences of them, position by position.
        return own is EmbeddingDefinition or BlockDefinition ? Network.Build(input, [own])
            : input.Dimensions.Length <= 2
                ? Network.Build(input, [Identity(input.Dimensions[^1]), own])
            : Network.Build(
                Shape.Of(input.Count), [Identity(input.Count), new ReshapeDefinition(input), own]);
    }

    private static DenseDefinition Identity(int width)
    {
        var identity = new float[width * width];
        for (int i = 0; i < width; i++)
        {
            identity[i * width + i] = 1;
        }

        return new DenseDefinition(width)
        {
            Name = "identity",
            WeightInitializer = new ExplicitValues([.. identity]),
            Bias = false,
        };
    }

    private ParameterView ViewOf(string parameter) => Network.Layout.Views.Single(view =>
        view.Name.StartsWith("own", StringComparison.Ordinal)
        && $".{view.Name}".EndsWith($".{parameter}", StringComparison.Ordinal));

    /// <summary>Asserts that values are those expected, but for what single precision rounds.
    /// </summary>
    public static void Close(double[] expected, ReadOnlySpan<float> actual, string what)
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

    private static void Narrow(double[] values, double factor, Span<float> destination)
    {
        for (int i = 0; i < values.Length; i++)
        {
            destination[i] = (float)(factor * values[i]);
        }
    }
}
