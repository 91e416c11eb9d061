using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Tests.Networks;

/// <summary>Putting networks together: names, shapes, layout, and clear refusals.</summary>
public sealed class NetworkTests
{
    [Fact]
    public void Layers_without_a_name_are_called_by_kind_and_number()
    {
        Network network = Network.Build(
            Shape.Of(4, 2),
            [
                new FlattenDefinition(),
                new DenseDefinition(8) { Activation = new ReluDefinition() },
                new DropoutDefinition(0.5f),
                new DenseDefinition(8) { Name = "hidden", Activation = new SigmoidDefinition() },
                new ResidualDefinition(
                    [new DenseDefinition(8), new BatchNormalizationDefinition()]),
                new DenseDefinition(3),
            ]);
        Assert.Equal(
            [
                "flatten1", "dense1", "dense1.activation", "dropout1", "hidden",
                "hidden.activation", "residual1.dense1", "residual1.batch-normalization1",
                "residual1", "dense3",
            ],
            network.Nodes.Select(node => node.Layer.Name));
        Assert.Equal(
            [
                "dense1.weight", "dense1.bias", "hidden.weight", "hidden.bias",
                "residual1.dense1.weight", "residual1.dense1.bias",
                "residual1.batch-normalization1.scale", "residual1.batch-normalization1.bias",
                "residual1.batch-normalization1.running_mean",
                "residual1.batch-normalization1.running_var", "dense3.weight", "dense3.bias",
            ],
            network.Layout.Views.Select(view => view.Name));
        Assert.Equal(Shape.Of(3), network.OutputShape);
    }

    // As a file may declare one that nobody has the memory for.
    [Fact]
    public void A_network_of_long_sequences_is_described_without_their_tables()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Network network = Network.Build(
            Shape.Of(1 << 20, 128),
            [
                new PositionalEncodingDefinition(PositionalKind.Sinusoidal),
                new AttentionDefinition(2) { IsRotary = true },
            ]);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal(Shape.Of(1 << 20, 128), network.OutputShape);
    }

    [Fact]
    public void A_residual_sum_reads_the_last_inner_layer_and_the_input_of_the_block()
    {
        Network network = Network.Build(
            Shape.Of(4),
            [
                new ResidualDefinition([new DenseDefinition(4)]),
                new ResidualDefinition([new DenseDefinition(4), new TanhDefinition()]),
            ]);
        Assert.Equal(
            [(-1, null), (0, -1), (1, null), (2, null), (3, 1)],
            network.Nodes.Select(node => (node.Input, node.Skip)));
    }

    [Fact]
    public void Views_begin_on_whole_cache_lines_and_padding_starts_as_zero()
    {
        Network network = Network.Build(
            Shape.Of(3), [new DenseDefinition(5), new DenseDefinition(7), new DenseDefinition(1)]);
        using var weights = new AlignedBuffer(network.Layout.Length);
        weights.Span.Fill(float.NaN);
        network.InitializeWeights(seed: 1, weights);
        int end = 0;
        foreach (ParameterView view in network.Layout.Views)
        {
            Assert.Equal(0, view.Offset % 16);
            Assert.All(weights.Span[end..view.Offset].ToArray(), value => Assert.Equal(0f, value));
            end = view.Offset + view.Length;
        }

        Assert.All(weights.Span[end..].ToArray(), value => Assert.Equal(0f, value));
        Assert.Equal(3 * 5 + 5 + 5 * 7 + 7 + 7 + 1, network.Layout.Count);
        Assert.Equal(0, network.Layout.Length % 16);
    }

    [Fact]
    public void Weights_start_as_the_activation_likes_unless_the_user_says()
    {
        var own = new Normal(0, 1);
        Network network = Network.Build(
            Shape.Of(3),
            [
                new DenseDefinition(3) { Activation = new ReluDefinition() },
                new DenseDefinition(3) { Activation = new SigmoidDefinition() },
                new DenseDefinition(3),
                new DenseDefinition(3)
                {
                    Activation = new ReluDefinition(),
                    WeightInitializer = own,
                },
            ]);
        Assert.Equal(
            new Initializer[]
            {
                VarianceScaling.HeUniform, VarianceScaling.XavierUniform,
                VarianceScaling.XavierUniform, own,
            },
            network.Layout.Views
                .Where(view => view.Declaration.Role == ParameterRole.Weight)
                .Select(view => view.Declaration.Initializer));
    }

    [Theory]
    [InlineData("two layers are named 'a'", "a", "a")]
    [InlineData("two layers are named 'dense2'", "dense2", null)]
    [InlineData("'a.b' is not a layer's name", "a.b", null)]
    [InlineData("'' is not a layer's name", "", null)]
    public void Names_that_clash_or_confuse_are_refused(
        string message, string first, string? second)
    {
        var error = Assert.Throws<ArgumentException>(() => Network.Build(
            Shape.Of(2),
            [new DenseDefinition(2) { Name = first }, new DenseDefinition(2) { Name = second }]));
        Assert.Contains(message, error.Message);
    }

    public static TheoryData<string, LayerDefinition> Unsuitable => new()
    {
        { "units; 1 is the least", new DenseDefinition(0) },
        { "input is of shape 4x2: a reshape layer", Convolution(1) with { Dimensions = 3 } },
        { "has 0 filters in 1 groups; 1 is the least", Convolution(0) },
        { "has 1 input channels and 3 filters in 2 groups", Convolution(3) with { Groups = 2 } },
        {
            "a padding of 3, but its windows span 3",
            Convolution(1) with { Padding = Padding.Of(3, 3) }
        },
        {
            "span 5 rows, with a padding of 0 and 0, over an image of 4",
            new ConvolutionDefinition(2, 1, Extent.Square(5))
        },
        { "a stride of 0", Convolution(1) with { Stride = new(0, 1) } },
        {
            "would have 9,000,000,000 weights",
            Convolution(1_000_000_000) with { Padding = Padding.Same }
        },
        {
            "would make an image of 4,294,967,292 rows",
            Convolution(1) with
            {
                IsTransposed = true, Stride = new(int.MaxValue / 2, 1), Padding = Padding.Same,
            }
        },
        {
            "has 3 groups, and its input, of shape 4x2, has 2 channels",
            new GroupNormalizationDefinition(3)
        },
        { "makes images of 4x2 larger by 0x1", new UpsamplingDefinition(2, new(0, 1)) },
        { "would make 2x3, which are 6 numbers, of 4x2", new ReshapeDefinition(Shape.Of(2, 3)) },
        { "one value of every channel", Flat(new GlobalPoolingDefinition(PoolingRule.Max)) },
        { "has 0 units; 1 is the least", Flat(new DenseDefinition(0)) },
        {
            "weights, of 8 inputs and 2,000,000,000 units",
            Flat(new DenseDefinition(2_000_000_000))
        },
        { "has rate 1; it must be at least 0 and below 1", new DropoutDefinition(1) },
        { "has rate NaN", new DropoutDefinition(float.NaN) },
        { "has slope NaN", new LeakyReluDefinition(float.NaN) },
        { "has epsilon 0", new LayerNormalizationDefinition { Epsilon = 0 } },
        { "has epsilon -1", Flat(new BatchNormalizationDefinition { Epsilon = -1 }) },
        { "has momentum 1", Flat(new BatchNormalizationDefinition { Momentum = 1 }) },
        { "residual block 'residual1' has no layers", new ResidualDefinition([]) },
        {
            "adds its input, of shape 4x2, to the output of its last layer, of shape 8",
            new ResidualDefinition([new FlattenDefinition()])
        },
    };

    private static ConvolutionDefinition Convolution(int filters) =>
        new(2, filters, Extent.Square(3));

    [Theory]
    [MemberData(nameof(Unsuitable))]
    public void A_layer_that_does_not_suit_its_input_says_what_would(
        string message, LayerDefinition layer)
    {
        var error = Assert.Throws<ArgumentException>(
            () => Network.Build(Shape.Of(4, 2), [layer]));
        Assert.Contains(message, error.Message);
    }

    public static TheoryData<string, Shape, LayerDefinition> UnsuitableShapes => new()
    {
        { "put a flatten layer before it", Shape.Of(4, 2, 3), new DenseDefinition(3) },
        { "input is of shape 4x2: put it first", Shape.Of(4, 2), new EmbeddingDefinition(9, 3) },
        { "a vocabulary of 0 tokens", Shape.Of(4), new EmbeddingDefinition(0, 3) },
        { "vectors of 0 numbers", Shape.Of(4), new EmbeddingDefinition(9, 0) },
        {
            "reads sequences of vectors, positions x width, but its input is of shape 8",
            Shape.Of(8), new AttentionDefinition(2)
        },
        {
            "has 4 heads and 3 key-value-heads", Shape.Of(5, 8),
            new AttentionDefinition(4) { KeyValueHeads = 3 }
        },
        { "shares 8 numbers among 3 heads", Shape.Of(5, 8), new AttentionDefinition(3) },
        {
            "an even number of them", Shape.Of(5, 6),
            new AttentionDefinition(2) { IsRotary = true }
        },
        {
            "has rotary-base 0.5; it must be 1 or more", Shape.Of(5, 8),
            new AttentionDefinition(2) { IsRotary = true, RotaryBase = 0.5 }
        },
        {
            "positional encoding 'positional-encoding1' reads sequences", Shape.Of(8),
            new PositionalEncodingDefinition(PositionalKind.Learned)
        },
        { "'position-pooling1' reads sequences", Shape.Of(8), new PositionPoolingDefinition(0) },
        { "lstm 'lstm1' reads sequences", Shape.Of(8), new LstmDefinition(3) },
        { "gru 'gru1' has 0 units", Shape.Of(5, 8), new GruDefinition(0) },
        {
            "lstm 'lstm1' has truncation 0; 1 is the least", Shape.Of(5, 8),
            new LstmDefinition(3) { Truncation = 0 }
        },
        { "swiglu 'swiglu1' has 0 units", Shape.Of(5, 8), new SwiGluDefinition(0) },
        { "has epsilon 0", Shape.Of(8), new RmsNormalizationDefinition { Epsilon = 0 } },
        { "block 'block1' has no layers", Shape.Of(8), new BlockDefinition([]) },
        {
            "stands there 0 times", Shape.Of(8),
            new BlockDefinition([new TanhDefinition()]) { Repeat = 0 }
        },
    };

    [Theory]
    [MemberData(nameof(UnsuitableShapes))]
    public void A_shape_that_does_not_suit_a_layer_is_refused(
        string message, Shape input, LayerDefinition layer)
    {
        var error = Assert.Throws<ArgumentException>(() => Network.Build(input, [layer]));
        Assert.Contains(message, error.Message);
    }

    public static TheoryData<string, LayerDefinition> Untied => new()
    {
        { "'dense2' is tied to 'words', and no layer before it", Tie("words", 9) },
        { "is tied to 'hidden', which is no embedding", Tie("hidden", 9) },
        { "and has a bias: leave it out", Tie("embedding1", 9) with { Bias = true } },
        { "has vectors of 4 numbers for 9 tokens", Tie("embedding1", 8) },
        {
            "stands within a block that is recomputed",
            new BlockDefinition([Tie("embedding1", 9), new TanhDefinition()]) { Recompute = true }
        },
    };

    [Theory]
    [MemberData(nameof(Untied))]
    public void A_layer_that_cannot_be_tied_says_why(string message, LayerDefinition layer)
    {
        var error = Assert.Throws<ArgumentException>(() => Network.Build(
            Shape.Of(5),
            [new EmbeddingDefinition(9, 4), new DenseDefinition(4) { Name = "hidden" }, layer]));
        Assert.Contains(message, error.Message);
    }

    [Fact]
    public void A_tensor_that_layers_share_lies_in_the_layout_once()
    {
        Network network = Network.Build(
            Shape.Of(5), [new EmbeddingDefinition(9, 4), Tie("embedding1", 9)]);
        Assert.Equal(
            "embedding1.weight", Assert.Single(network.Layout.Views).Name);
        Assert.Equal([.. network.ParameterOffsets(0)], (int[])[.. network.ParameterOffsets(1)]);
        var alone = new NetworkNode(network.Nodes[1].Layer, -1);
        Assert.Throws<ArgumentException>(() => new Network(Shape.Of(5, 4), [alone]));
    }

    private static DenseDefinition Tie(string embedding, int units) =>
        new(units) { Tie = embedding, Bias = false };

    [Fact]
    public void Layers_that_stand_for_several_name_them_all()
    {
        var block = new BlockDefinition(
            [new AttentionDefinition(2) { IsRotary = true }, new SwiGluDefinition(3)])
        {
            Repeat = 2,
            Name = "deep",
        };
        Network network = Network.Build(
            Shape.Of(5, 8), [block, new LstmDefinition(3) { Name = "memory" }]);
        Assert.Equal(
            [
                "deep-1.attention1.input", "deep-1.attention1.rotary", "deep-1.attention1",
                "deep-1.attention1.output", "deep-1.swiglu1.input", "deep-1.swiglu1",
                "deep-1.swiglu1.output", "deep-2.attention1.input", "deep-2.attention1.rotary",
                "deep-2.attention1", "deep-2.attention1.output", "deep-2.swiglu1.input",
                "deep-2.swiglu1", "deep-2.swiglu1.output", "memory.input", "memory",
            ],
            network.Nodes.Select(node => node.Layer.Name));
    }

    [Fact]
    public void Nodes_that_cannot_be_computed_in_order_are_refused()
    {
        Layer dense = new DenseDefinition(2).Build("a", Shape.Of(2));
        Layer other = new DenseDefinition(2).Build("b", Shape.Of(3));
        Assert.Throws<ArgumentException>(
            () => new Network(Shape.Of(2), [new NetworkNode(dense, Input: 0)]));
        Assert.Throws<ArgumentException>(
            () => new Network(Shape.Of(2), [new NetworkNode(dense, Input: -2)]));
        var error = Assert.Throws<ArgumentException>(() => new Network(
            Shape.Of(2), [new NetworkNode(dense, -1), new NetworkNode(other, 0)]));
        Assert.Contains("'b' reads rows of shape 3, but node 0 makes 2", error.Message);
    }

    [Fact]
    public void Weights_of_another_network_are_refused()
    {
        Network network = Network.Build(Shape.Of(2), [new DenseDefinition(2)]);
        using var weights = new AlignedBuffer(network.Layout.Length + 16);
        Assert.Throws<ArgumentException>(() => network.InitializeWeights(seed: 1, weights));
    }

    private static ResidualDefinition Flat(LayerDefinition layer) =>
        new([new FlattenDefinition(), layer]);
}
