using System.Text.Json;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Every layer computes on sequences what PyTorch computes in double precision.</summary>
public sealed class PyTorchSequenceTests
{
    private const string File = "sequences.json";

    public static TheoryData<string> Names =>
    [
        "dense", "layer-normalization", "rms-normalization", "softmax", "swiglu", "attention",
        "full-attention", "shared-rotary-attention", "lstm", "last-lstm", "gru", "last-gru",
        "truncated-lstm", "truncated-gru", "lstm-cut-everywhere", "gru-cut-everywhere",
        "embedding", "padded-attention", "padded-mean", "padded-last", "tied",
        "rotary-base", "tanh-gelu",
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

    [Theory]
    [InlineData("crossEntropy")]
    [InlineData("paddedCrossEntropy")]
    public void The_loss_of_a_sequence_of_classes_is_the_mean_over_its_positions_that_count(
        string name)
    {
        JsonElement expected = Fixture.Load(File).GetProperty(name);
        float[] outputs = expected.GetProperty("outputs").Floats();
        double[] losses = expected.GetProperty("rowLosses").Doubles();
        int rows = losses.Length, classes = outputs.Length / rows / 5;
        Network network = Network.Build(
            Shape.Of(5, classes), [new PositionalEncodingDefinition(PositionalKind.Learned)]);
        var loss = new SoftmaxCrossEntropy(
            paddingClass: expected.Optional("padding")?.GetInt32());
        using var pool = new ComputePool(1);
        using var weights = new AlignedBuffer(network.Layout.Length);
        using var batch = new Batch(
            rows, outputs.Length / rows, loss.TargetWidth(network.OutputShape)) { Rows = rows };
        outputs.CopyTo(batch.Features.Span);
        expected.GetProperty("targets").Floats().CopyTo(batch.Targets.Span);
        using var executor = new NetworkExecutor(network, loss, rows, 1, pool);
        executor.UseWeights(weights);
        using var gradients = new GradientSet(network.Layout, 0, 1, 1);
        var work = new StepWork(0, 0, new MicroBatches(rows, 1));
        executor.ComputeGradients(batch, work, gradients, listener: null);
        PyTorchComparison.Close(losses, executor.RowLosses, "losses");
        PyTorchComparison.Close(
            expected.GetProperty("gradient").Doubles(), executor.OutputGradient(0), "gradient");
        Assert.Equal(losses.Sum(), gradients.LossSum(0), tolerance: 1e-6);
        var reference = new ReferenceNetwork(network, loss, weights, batch, work);
        Assert.Equal(losses.Average(), reference.ComputeLoss(), tolerance: 1e-13);
    }

    private static BlockDefinition PaddedPooling(PoolingKind kind) => new(
        [
            new EmbeddingDefinition(6, 8) { Name = "embedding" },
            new PositionPoolingDefinition(kind) { PaddingToken = 5 },
        ]);

    private static PyTorchComparison Compare(string name)
    {
        PyTorchCase expected = PyTorchCase.Named(name, File);
        return new PyTorchComparison(expected, DefinitionOf(name));
    }

    private static LayerDefinition DefinitionOf(string name) => name switch
    {
        "dense" => new DenseDefinition(4),
        "layer-normalization" => new LayerNormalizationDefinition(),
        "rms-normalization" => new RmsNormalizationDefinition(),
        "softmax" => new SoftmaxDefinition(),
        "swiglu" => new SwiGluDefinition(6),
        "attention" => new AttentionDefinition(2),
        "full-attention" => new AttentionDefinition(2) { IsCausal = false },
        "shared-rotary-attention" => new AttentionDefinition(4)
        {
            KeyValueHeads = 2,
            IsRotary = true,
        },
        "rotary-base" => new AttentionDefinition(2)
        {
            KeyValueHeads = 1,
            IsRotary = true,
            RotaryBase = 500,
        },
        "tanh-gelu" => new GeluDefinition { Approximation = GeluApproximation.Tanh },
        "lstm" => new LstmDefinition(3),
        "last-lstm" => new LstmDefinition(3) { Return = RecurrentReturn.Last },
        "gru" => new GruDefinition(3),
        "last-gru" => new GruDefinition(3) { Return = RecurrentReturn.Last },
        "truncated-lstm" => new LstmDefinition(3) { Truncation = 2 },
        "truncated-gru" => new GruDefinition(3) { Truncation = 2 },
        "lstm-cut-everywhere" => new LstmDefinition(3) { Truncation = 1 },
        "gru-cut-everywhere" => new GruDefinition(3) { Truncation = 1 },
        "padded-attention" => new BlockDefinition(
            [
                new EmbeddingDefinition(6, 8) { Name = "embedding" },
                new AttentionDefinition(2)
                {
                    Name = "attention", IsCausal = false, PaddingToken = 5,
                },
            ]),
        "padded-mean" => PaddedPooling(PoolingKind.Mean),
        "padded-last" => PaddedPooling(PoolingKind.Last),
        "tied" => new BlockDefinition(
            [
                new EmbeddingDefinition(6, 8) { Name = "embedding" },
                new DenseDefinition(8) { Name = "hidden", Activation = new TanhDefinition() },
                new DenseDefinition(6) { Tie = "own.embedding", Bias = false },
            ]),
        _ => new EmbeddingDefinition(6, 4),
    };
}
