using Backprop.Engine.Layers;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Every layer computes what PyTorch computes in double precision.</summary>
public sealed class PyTorchLayerTests
{
    public static TheoryData<string> Names =>
    [
        "dense", "sigmoid", "tanh", "relu", "leaky-relu", "gelu", "silu", "softmax",
        "layer-normalization", "batch-normalization", "residual",
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
        _ => new BatchNormalizationDefinition(),
    };
}
