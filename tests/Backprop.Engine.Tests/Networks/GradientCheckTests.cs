using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Tests.Networks;

/// <summary>Gradients against central differences: every layer passes, a wrong one is caught, and
/// kinks are no false alarm.</summary>
public sealed class GradientCheckTests
{
    private const double Tolerance = 2e-4;

    private static readonly Dictionary<string, LayerDefinition> s_imageLayers = new()
    {
        ["convolution-2d"] = new ConvolutionDefinition(2, 5, Extent.Square(3))
        {
            Padding = Padding.Same, Activation = new TanhDefinition(),
        },
        ["strided"] = new ConvolutionDefinition(2, 6, new(3, 2))
        {
            Stride = new(2, 3), Dilation = new(1, 2), Padding = Padding.Of(1, 1), Groups = 2,
        },
        ["depthwise"] = new ConvolutionDefinition(2, 4, Extent.Square(3))
        {
            Padding = Padding.Same, Groups = 4, Bias = false,
        },
        ["convolution-1d"] = new ConvolutionDefinition(1, 5, new(1, 3)) { Stride = new(1, 2) },
        ["transposed"] = new ConvolutionDefinition(2, 6, Extent.Square(3))
        {
            IsTransposed = true, Stride = new(2, 2), Padding = Padding.Same, Groups = 2,
        },
        ["transposed-depthwise"] = new ConvolutionDefinition(2, 4, new(2, 3))
        {
            IsTransposed = true, Stride = new(2, 1), Groups = 4,
        },
        ["transposed-1d"] = new ConvolutionDefinition(1, 3, new(1, 4))
        {
            IsTransposed = true, Stride = new(1, 3), Padding = Padding.Of(0, 1),
        },
        ["max-pooling"] = new PoolingDefinition(2, PoolingRule.Max, Extent.Square(2))
        {
            Padding = Padding.Same,
        },
        ["overlapping-max-pooling"] = new PoolingDefinition(2, PoolingRule.Max, Extent.Square(3))
        {
            Stride = new(1, 2), Padding = Padding.Of(1, 1),
        },
        ["average-pooling"] = new PoolingDefinition(2, PoolingRule.Average, Extent.Square(3))
        {
            Stride = new(1, 2), Padding = Padding.Of(1, 1),
        },
        ["pooling-1d"] = new PoolingDefinition(1, PoolingRule.Max, new(1, 3)),
        ["global-max-pooling"] = new GlobalPoolingDefinition(PoolingRule.Max),
        ["global-average-pooling"] = new GlobalPoolingDefinition(PoolingRule.Average),
        ["batch-normalization"] = new BatchNormalizationDefinition(),
        ["frozen-batch-normalization"] = new BatchNormalizationDefinition { Trainable = false },
        ["group-normalization"] = new GroupNormalizationDefinition(2),
        ["plain-group-normalization"] = new GroupNormalizationDefinition(4) { Affine = false },
        ["upsampling"] = new UpsamplingDefinition(2, new(2, 3)),
        ["upsampling-1d"] = new UpsamplingDefinition(1, new(1, 2)),
        ["linear-upsampling"] =
            new UpsamplingDefinition(2, new(2, 3)) { Interpolation = Interpolation.Linear },
        ["linear-upsampling-1d"] =
            new UpsamplingDefinition(1, new(1, 3)) { Interpolation = Interpolation.LinearCorners },
        ["branches"] = new BranchesDefinition(
            [
                [new ConvolutionDefinition(2, 3, Extent.Square(1))],
                [],
                [
                    new ConvolutionDefinition(2, 5, Extent.Square(3)) { Padding = Padding.Same },
                    new TanhDefinition(),
                ],
            ],
            BranchCombination.Concatenate),
    };

    public static TheoryData<string> Layers =>
    [
        "dense", "sigmoid", "tanh", "relu", "leaky-relu", "gelu", "tanh-gelu", "silu", "softmax",
        "dropout",
        "batch-normalization", "frozen-batch-normalization", "layer-normalization",
        "plain-layer-normalization", "flatten",
        "residual", "nested-residual", "branches", "added-branches", "recomputed",
    ];

    [Theory]
    [MemberData(nameof(Layers))]
    public void Every_layer_passes_between_two_dense_layers(string name)
    {
        using var trial = NewTrial(DefinitionOf(name));
        ImmutableArray<TensorGradientCheck> results = Run(trial);
        Assert.Contains(results, result => result.Name == "dense1.weight");
        foreach (TensorGradientCheck result in results)
        {
            Assert.True(
                result.MaxRelativeError < Tolerance && result.Skipped == 0,
                $"{name}: {result}");
            Assert.Equal(result.Length, result.Checked);
        }
    }

    public static TheoryData<string> ImageLayers => [.. s_imageLayers.Keys];

    [Theory]
    [MemberData(nameof(ImageLayers))]
    public void Every_layer_over_images_passes_between_two_dense_layers(string name)
    {
        LayerDefinition layer = s_imageLayers[name];
        Shape shape = name.EndsWith("-1d", StringComparison.Ordinal)
            ? Shape.Of(7, 4)
            : Shape.Of(4, 5, 4);
        using var trial = new Trial(
            Shape.Of(3),
            [
                new DenseDefinition(shape.Count), new ReshapeDefinition(shape), layer,
                new FlattenDefinition(), new DenseDefinition(2),
            ],
            rows: 5, microBatches: 2);
        foreach (TensorGradientCheck result in Run(trial, elements: 60))
        {
            Assert.True(
                result.MaxRelativeError < Tolerance && result.Skipped == 0,
                $"{name}: {result}");
        }
    }

    public static TheoryData<string> SequenceLayers =>
    [
        "learned-positions", "sinusoidal-positions", "layer-normalization", "rms-normalization",
        "softmax", "attention", "full-attention", "shared-attention", "rotary-attention",
        "rotary-base", "swiglu", "lstm", "last-lstm", "gru", "last-gru", "truncated-lstm",
        "truncated-gru", "last", "mean", "block", "branches",
    ];

    [Theory]
    [MemberData(nameof(SequenceLayers))]
    public void Every_layer_passes_on_sequences_between_two_dense_layers(string name)
    {
        using var trial = new Trial(
            Shape.Of(6, 4),
            [new DenseDefinition(8), SequenceDefinitionOf(name), new DenseDefinition(3)], rows: 5,
            microBatches: 2);
        AssertPasses(name, Run(trial));
    }

    [Fact]
    public void An_embedding_passes_whatever_tokens_occur()
    {
        using var trial = new Trial(
            Shape.Of(5), [new EmbeddingDefinition(9, 4), new DenseDefinition(3)], rows: 6,
            microBatches: 3, vocabulary: 9);
        AssertPasses("embedding", Run(trial));
    }

    [Fact]
    public void Layers_that_share_a_table_pass()
    {
        var tie = new DenseDefinition(9) { Tie = "embedding1", Bias = false };
        using var trial = new Trial(
            Shape.Of(5),
            [
                new EmbeddingDefinition(9, 4), new TanhDefinition(), tie, new SiluDefinition(),
                new DenseDefinition(4), tie with { Activation = new TanhDefinition() },
            ],
            rows: 6, microBatches: 3, vocabulary: 9);
        AssertPasses("tied", Run(trial));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Attention_passes_over_padding(bool isCausal)
    {
        using var trial = new Trial(
            Shape.Of(6),
            [
                new EmbeddingDefinition(9, 4), new PositionalEncodingDefinition(
                    PositionalKind.Learned),
                new AttentionDefinition(2)
                {
                    IsCausal = isCausal, PaddingToken = 3, Bias = false,
                },
                new DenseDefinition(3),
            ],
            rows: 4, microBatches: 2, vocabulary: 9);

        Pad(trial.Batch.Features.Span);
        AssertPasses("padded attention", Run(trial));
    }

    [Theory]
    [InlineData(PoolingKind.Mean)]
    [InlineData(PoolingKind.Last)]
    public void Pooling_passes_over_padding(PoolingKind kind)
    {
        using var trial = new Trial(
            Shape.Of(6),
            [
                new EmbeddingDefinition(9, 4), new DenseDefinition(5),
                new PositionPoolingDefinition(kind) { PaddingToken = 3 }, new DenseDefinition(3),
            ],
            rows: 4, microBatches: 2, vocabulary: 9);
        Pad(trial.Batch.Features.Span);
        AssertPasses("padded pooling", Run(trial));
    }

    // Of lengths 2, 5 and 6, and one of padding alone; padding before the end is a token.
    private static void Pad(Span<float> tokens)
    {
        tokens.Replace(3, 4);
        tokens.Slice(2, 4).Fill(3);
        tokens.Slice(11, 1).Fill(3);
        tokens.Slice(13, 2).Fill(3);
        tokens.Slice(18, 6).Fill(3);
    }

    private static void AssertPasses(string name, ImmutableArray<TensorGradientCheck> results)
    {
        Assert.NotEmpty(results);
        foreach (TensorGradientCheck result in results)
        {
            Assert.True(
                result.MaxRelativeError < Tolerance && result.Skipped == 0, $"{name}: {result}");
            Assert.Equal(result.Length, result.Checked);
        }
    }

    private static LayerDefinition SequenceDefinitionOf(string name) => name switch
    {
        "learned-positions" => new PositionalEncodingDefinition(PositionalKind.Learned),
        "sinusoidal-positions" => new PositionalEncodingDefinition(PositionalKind.Sinusoidal),
        "layer-normalization" => new LayerNormalizationDefinition(),
        "rms-normalization" => new RmsNormalizationDefinition(),
        "softmax" => new SoftmaxDefinition(),
        // A bias of keys changes no softmax: its gradient is 0, and rounding would be compared.
        "attention" => new AttentionDefinition(2) { Bias = false },
        "full-attention" => new AttentionDefinition(2) { IsCausal = false, Bias = false },
        "shared-attention" => new AttentionDefinition(4) { KeyValueHeads = 2 },
        "rotary-attention" => new AttentionDefinition(2) { IsRotary = true },
        "rotary-base" => new AttentionDefinition(2) { IsRotary = true, RotaryBase = 5 },
        "swiglu" => new SwiGluDefinition(7) { Bias = true },
        "lstm" => new LstmDefinition(5),
        "last-lstm" => new LstmDefinition(5) { Return = RecurrentReturn.Last },
        "gru" => new GruDefinition(5),
        "last-gru" => new GruDefinition(5) { Return = RecurrentReturn.Last },
        // Of 6 positions: two cuts, the second chunk behind a truncated layer too.
        "truncated-lstm" => new BlockDefinition(
            [
                new LstmDefinition(5) { Truncation = 2 },
                new GruDefinition(4) { Truncation = 4, Return = RecurrentReturn.Last },
            ]),
        "truncated-gru" => new GruDefinition(5) { Truncation = 2 },
        "last" => new PositionPoolingDefinition(PoolingKind.Last),
        "mean" => new PositionPoolingDefinition(PoolingKind.Mean),
        "branches" => new BranchesDefinition(
            [[new DenseDefinition(3)], [new AttentionDefinition(2) { Bias = false }]],
            BranchCombination.Concatenate),
        _ => new BlockDefinition([new DenseDefinition(8), new TanhDefinition()]) { Repeat = 2 },
    };

    [Fact]
    public void All_layers_together_pass()
    {
        using var trial = new Trial(
            Shape.Of(7, 3), NetworkExecutorTests.EveryLayer, rows: 6, microBatches: 2);
        foreach (TensorGradientCheck result in Run(trial, elements: 2))
        {
            Assert.True(result.MaxRelativeError < 2e-3, result.ToString());
            Assert.Equal(2, result.Checked + result.Skipped);
        }
    }

    [Fact]
    public void Running_statistics_and_frozen_parameters_have_no_gradient_to_check()
    {
        using var trial = new Trial(
            Shape.Of(4),
            [
                new DenseDefinition(5) { BiasTrainable = false },
                new BatchNormalizationDefinition(),
            ],
            rows: 6);
        Assert.Equal(
            ["dense1.weight", "batch-normalization1.scale", "batch-normalization1.bias"],
            Run(trial).Select(result => result.Name));
    }

    [Fact]
    public void A_wrong_backward_pass_is_found()
    {
        using var trial = NewTrial(new WrongTanhDefinition());
        TensorGradientCheck weight = Run(trial).Single(result => result.Name == "dense1.weight");
        Assert.True(weight.MaxRelativeError > 0.1, weight.ToString());
        Assert.Equal(0, Run(trial).Single(result => result.Name == "dense2.bias").Skipped);
    }

    [Fact]
    public void A_gradient_that_is_not_a_number_is_infinitely_wrong()
    {
        using var trial = NewTrial(new TanhDefinition());
        trial.Batch.Targets.Span[0] = float.NaN;
        Assert.Equal(double.PositiveInfinity, Run(trial)[0].MaxRelativeError);
    }

    [Fact]
    public void A_rectifier_exactly_at_its_kink_is_skipped_and_counted()
    {
        using var trial = NewTrial(new ReluDefinition());

        // The neuron's sum is exactly 0 in every row: neither slope is the derivative.
        for (int input = 0; input < 4; input++)
        {
            trial.Parameter("dense1.weight")[5 * input + 2] = 0;
        }

        trial.Parameter("dense1.bias")[2] = 0;
        ImmutableArray<TensorGradientCheck> results = Run(trial);
        Assert.Equal(1, results.Single(result => result.Name == "dense1.bias").Skipped);
        Assert.Equal(4, results.Single(result => result.Name == "dense1.weight").Skipped);
        Assert.All(results, result => Assert.True(result.MaxRelativeError < Tolerance));
    }

    [Fact]
    public void A_sample_of_elements_is_spread_over_the_tensor_and_drawn_by_the_seed()
    {
        using var trial = NewTrial(new TanhDefinition());
        TensorGradientCheck first = Run(trial, elements: 7)[0], again = Run(trial, elements: 7)[0];
        Assert.Equal(7, first.Checked);
        Assert.Equal(20, first.Length);
        Assert.Equal(first, again);
    }

    private static ImmutableArray<TensorGradientCheck> Run(Trial trial, int? elements = null) =>
        GradientCheck.Run(
            trial.Network, trial.Loss, trial.Weights, trial.Batch, trial.Work, elements,
            trial.Pool);

    private static Trial NewTrial(LayerDefinition layer) => new(
        Shape.Of(4), [new DenseDefinition(5), layer, new DenseDefinition(3)], rows: 6,
        microBatches: 2);

    private static LayerDefinition DefinitionOf(string name) => name switch
    {
        "dense" => new DenseDefinition(6) { Bias = false },
        "sigmoid" => new SigmoidDefinition(),
        "tanh" => new TanhDefinition(),
        "relu" => new ReluDefinition(),
        "leaky-relu" => new LeakyReluDefinition(0.2f),
        "gelu" => new GeluDefinition(),
        "tanh-gelu" => new GeluDefinition { Approximation = GeluApproximation.Tanh },
        "silu" => new SiluDefinition(),
        "softmax" => new SoftmaxDefinition(),
        "dropout" => new DropoutDefinition(0.4f),
        "batch-normalization" => new BatchNormalizationDefinition(),
        "frozen-batch-normalization" => new BatchNormalizationDefinition { Trainable = false },
        "layer-normalization" => new LayerNormalizationDefinition(),
        "plain-layer-normalization" => new LayerNormalizationDefinition { Affine = false },
        "flatten" => new FlattenDefinition(),
        "residual" => new ResidualDefinition(
            [new DenseDefinition(5) { Activation = new TanhDefinition() }]),
        "branches" => new BranchesDefinition(
            [[new TanhDefinition()], [], [new DenseDefinition(2), new SiluDefinition()]],
            BranchCombination.Concatenate),
        "added-branches" => new BranchesDefinition(
            [[new DenseDefinition(5)], [], [new TanhDefinition(), new DenseDefinition(5)]],
            BranchCombination.Add),
        "recomputed" => new BlockDefinition(
            [
                new ResidualDefinition([new DenseDefinition(5), new TanhDefinition()]),
                new DropoutDefinition(0.3f),
                new FlattenDefinition(),
            ])
        {
            Repeat = 3, Recompute = true,
        },
        _ => new ResidualDefinition(
            [
                new ResidualDefinition(
                    [new FlattenDefinition(), new TanhDefinition(), new DenseDefinition(5)]),
                new FlattenDefinition(),
            ]),
    };

    private sealed record WrongTanhDefinition : LayerDefinition
    {
        public override string Kind => "wrong";

        public override Layer Build(string name, Shape input) => new WrongTanhLayer(name, input);
    }

    // Passes the gradient back as the identity would.
    private sealed unsafe class WrongTanhLayer(string name, Shape shape)
        : Layer(name, "wrong", shape, shape)
    {
        private readonly Layer _tanh = new TanhDefinition().Build(name, shape);

        public override void Forward(in ForwardPass pass) => _tanh.Forward(pass);

        public override void Backward(in BackwardPass pass) => RowParallel.Copy(
            pass.Forward.Pool, pass.OutputGradient, pass.Forward.Rows, InputShape.Count,
            pass.InputGradient);

        public override void ReferenceForward(in ReferencePass pass) =>
            _tanh.ReferenceForward(pass);
    }
}
