using Backprop.Engine.Layers;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Every layer computes what PyTorch computes in double precision.</summary>
public sealed class PyTorchLayerTests
{
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
        ["upsampling-2d-linear"] = Linear(2, new(2, 3), Interpolation.Linear),
        ["upsampling-2d-linear-corners"] = Linear(2, new(3, 2), Interpolation.LinearCorners),
        ["upsampling-1d-linear"] = Linear(1, new(1, 3), Interpolation.Linear),
        ["upsampling-1d-linear-corners"] = Linear(1, new(1, 2), Interpolation.LinearCorners),
        ["upsampling-2d-linear-of-one"] = Linear(2, new(2, 1), Interpolation.Linear),
    };

    public static TheoryData<string> Names =>
    [
        "dense", "sigmoid", "tanh", "relu", "leaky-relu", "gelu", "silu", "softmax",
        "layer-normalization", "batch-normalization", "residual",
        "branches", .. s_imageLayers.Keys,
    ];

    [Theory]
    [MemberData(nameof(Names))]
    public void Values_and_gradients_agree_with_PyTorch(string name)
    {
        using PyTorchComparison comparison = Compare(name);
        comparison.AssertGradients();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_double_precision_definition_agrees_with_PyTorch(string name)
    {
        using PyTorchComparison comparison = Compare(name);
        comparison.AssertReference();
    }

    [Fact]
    public void Batch_normalization_in_evaluation_uses_the_running_statistics()
    {
        PyTorchCase expected = PyTorchCase.Named("batch-normalization-evaluation");
        using PyTorchComparison setup = Compare(expected.Name);
        var output = new float[expected.Y.Length];
        setup.Executor.Evaluate(setup.Batch, output, rowLosses: []);
        PyTorchComparison.Close(expected.Y, output, expected.Name);
    }

    [Fact]
    public void Batch_normalization_that_is_not_trained_is_PyTorchs_in_evaluation()
    {
        PyTorchCase expected = PyTorchCase.Named("batch-normalization-evaluation");
        using var setup = new PyTorchComparison(
            expected, new BatchNormalizationDefinition { Trainable = false });
        setup.Gradients.Gradient(0).Span.Fill(5);
        setup.Executor.ComputeGradients(
            setup.Batch, setup.Work, setup.Gradients, listener: null);
        PyTorchComparison.Close(expected.Y, setup.Executor.Activation(1), expected.Name);
        PyTorchComparison.Close(expected.Dx, setup.Executor.OutputGradient(0), "dx");
        foreach (string parameter in (string[])["scale", "bias", "running_mean", "running_var"])
        {
            Assert.Equal(new float[expected.Inputs], setup.GradientOf(parameter).ToArray());
        }

        setup.AssertReference();
    }

    [Fact]
    public void Batch_normalization_observes_what_PyTorch_folds_into_its_running_statistics()
    {
        PyTorchCase expected = PyTorchCase.Named("batch-normalization");
        using PyTorchComparison setup = Compare(expected.Name);
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

            PyTorchComparison.Close(after, updated, statistic);
        }
    }

    private static UpsamplingDefinition Linear(
        int dimensions, Extent factor, Interpolation interpolation) =>
        new(dimensions, factor) { Interpolation = interpolation };

    private static ConvolutionDefinition Convolution(int filters, int height, int width) =>
        new(2, filters, new Extent(height, width));

    private static PoolingDefinition Overlapping(PoolingRule rule) =>
        new(2, rule, new Extent(3, 3)) { Stride = new(2, 2), Padding = Padding.Of(1, 1) };

    private static PyTorchComparison Compare(string name)
    {
        PyTorchCase expected = PyTorchCase.Named(name);
        return new PyTorchComparison(expected, DefinitionOf(expected));
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
        "branches" => new BranchesDefinition(
            [[], [new DenseDefinition(4) { Activation = new TanhDefinition() }], []],
            BranchCombination.Concatenate),
        _ => s_imageLayers.GetValueOrDefault(
            expected.Name, new BatchNormalizationDefinition()),
    };
}
