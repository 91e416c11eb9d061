using Backprop.Engine.Gradients;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Tests.Networks;

/// <summary>The rules of exactness, held to a network with every kind of layer.</summary>
public sealed class NetworkExecutorTests
{
    private const int Rows = 37;

    /// <summary>All layers, odd widths, wide enough that the pool shares the work.</summary>
    internal static LayerDefinition[] EveryLayer { get; } =
    [
        new ReshapeDefinition(Shape.Of(7, 3, 1)),
        new ConvolutionDefinition(2, 33, Extent.Square(3))
        {
            Padding = Padding.Same, Activation = new ReluDefinition(),
        },
        new ResidualDefinition(
            [
                new ConvolutionDefinition(2, 33, Extent.Square(3)) { Padding = Padding.Same },
                new BatchNormalizationDefinition(),
                new SiluDefinition(),
            ]),
        new PoolingDefinition(2, PoolingRule.Max, Extent.Square(2)) { Padding = Padding.Same },
        new GroupNormalizationDefinition(3),
        new UpsamplingDefinition(2, Extent.Square(2)) { Interpolation = Interpolation.Linear },
        new ConvolutionDefinition(2, 33, Extent.Square(3)) { Padding = Padding.Same, Groups = 33 },
        new PoolingDefinition(2, PoolingRule.Average, Extent.Square(3)) { Stride = new(2, 2) },
        new ConvolutionDefinition(2, 24, Extent.Square(3))
        {
            IsTransposed = true, Stride = new(2, 2), Activation = new TanhDefinition(),
        },
        new ReshapeDefinition(Shape.Of(28, 18)),
        new ConvolutionDefinition(1, 20, new(1, 5)) { Padding = Padding.Same, Groups = 2 },
        new FlattenDefinition(),
        new DenseDefinition(531) { Activation = new GeluDefinition() },
        new LayerNormalizationDefinition(),
        new DropoutDefinition(0.25f),
        new ResidualDefinition(
            [
                new DenseDefinition(531) { Activation = new SiluDefinition() },
                new ResidualDefinition(
                    [new BatchNormalizationDefinition(), new LeakyReluDefinition(0.1f)]),
            ]),
        new BlockDefinition(
            [
                new BranchesDefinition(
                    [
                        [new DenseDefinition(33) { Activation = new SiluDefinition() }],
                        [],
                        [new LayerNormalizationDefinition(), new DropoutDefinition(0.125f)],
                    ],
                    BranchCombination.Concatenate),
                new DenseDefinition(67) { Activation = new TanhDefinition() },
            ])
        {
            Repeat = 2, Recompute = true,
        },
        new BranchesDefinition(
            [[new DenseDefinition(67)], [new SigmoidDefinition()]], BranchCombination.Add),
        new DenseDefinition(19) { Activation = new ReluDefinition() },
        new DenseDefinition(18) { Activation = new TanhDefinition(), Bias = false },
        new DenseDefinition(17) { Activation = new SigmoidDefinition() },
        new SoftmaxDefinition(),
    ];

    /// <summary>All layers that read tokens or sequences, odd widths, and heads that share keys.
    /// </summary>
    internal static LayerDefinition[] EverySequenceLayer { get; } =
    [
        new EmbeddingDefinition(Vocabulary, 36),
        new PositionalEncodingDefinition(PositionalKind.Learned),
        new PositionalEncodingDefinition(PositionalKind.Sinusoidal),
        new BlockDefinition(
            [
                new ResidualDefinition(
                    [
                        new LayerNormalizationDefinition(),
                        new AttentionDefinition(6) { KeyValueHeads = 2, IsRotary = true },
                        new DropoutDefinition(0.125f),
                    ]),
                new ResidualDefinition(
                    [new RmsNormalizationDefinition(), new SwiGluDefinition(53)]),
            ])
        {
            Repeat = 2, Recompute = true,
        },
        new AttentionDefinition(4) { IsCausal = false, Bias = false, PaddingToken = 7 },
        new LstmDefinition(19) { Truncation = 24 },
        new ResidualDefinition([new GruDefinition(19), new GruDefinition(19) { Truncation = 7 }]),
        new DenseDefinition(21) { Activation = new TanhDefinition() },
        new PositionPoolingDefinition(PoolingKind.Mean) { PaddingToken = 7 },
    ];

    /// <summary>An embedding whose vectors are the weights of two other layers.</summary>
    internal static LayerDefinition[] Tied { get; } =
    [
        new EmbeddingDefinition(Vocabulary, 35),
        new DenseDefinition(35) { Activation = new TanhDefinition() },
        Tie("embedding1"),
        new SiluDefinition(),
        new BlockDefinition([new DenseDefinition(35), new TanhDefinition()]) { Recompute = true },
        Tie("embedding1"),
    ];

    /// <summary>Positions of a sequence: more than one tile of queries.</summary>
    internal const int Positions = 71;

    /// <summary>Tokens of <see cref="EverySequenceLayer"/>.</summary>
    internal const int Vocabulary = 23;

    /// <summary>What the rules are held to: rows of numbers, and sequences of tokens.</summary>
    public static TheoryData<string> Kinds => ["rows", "sequences", "tied"];

    private static readonly LayerDefinition[] WithoutBatchStatistics =
        [.. EveryLayer.Where(layer => layer is not ResidualDefinition)];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_row_alone_gives_the_bits_it_gives_among_others(string kind)
    {
        using Trial trial = kind == "rows"
            ? NewTrial(WithoutBatchStatistics, microBatches: 1)
            : NewTrial(kind, microBatches: 1);
        using NetworkExecutor together = trial.NewExecutor(keepsAll: true);
        using var gradients = new GradientSet(trial.Network.Layout, 0, 1, 1);
        together.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
        for (int row = 0; row < Rows; row += 9)
        {
            using NetworkExecutor alone = trial.NewExecutor(keepsAll: true);
            using Batch one = trial.RowsOf(row, 1);
            StepWork work = trial.Work with { MicroBatches = new MicroBatches(1, 1) };
            alone.ComputeGradients(one, work, gradients, listener: null);
            int last = trial.Network.Nodes.Length - 1;
            for (int node = 0; node <= last; node++)
            {
                Assert.Equal(
                    Row(together.Activation(node), row), alone.Activation(node).ToArray());
            }
        }

        static float[] Row(ReadOnlySpan<float> values, int row)
        {
            int width = values.Length / Rows;
            return values.Slice(row * width, width).ToArray();
        }
    }

    [Theory]
    [InlineData("rows", 1)]
    [InlineData("rows", 2)]
    [InlineData("rows", 3)]
    [InlineData("rows", 5)]
    [InlineData("rows", 8)]
    [InlineData("rows", 64)]
    [InlineData("sequences", 1)]
    [InlineData("sequences", 5)]
    [InlineData("sequences", 8)]
    [InlineData("sequences", 64)]
    [InlineData("tied", 1)]
    [InlineData("tied", 5)]
    [InlineData("tied", 8)]
    [InlineData("tied", 64)]
    public void Micro_batches_computed_apart_fold_to_the_bits_of_all_computed_at_once(
        string kind, int count)
    {
        using var trial = NewTrial(kind, count);
        (float[] whole, double lossSum) = trial.ComputeAll();

        // One set of vectors a micro-batch, folded pairwise as the tree is.
        var gradients = new float[count][];
        var losses = new double[count];
        for (int m = 0; m < count; m++)
        {
            using GradientSet own = trial.Compute(m, m + 1, out _);
            gradients[m] = own.Gradient(0).Span.ToArray();
            losses[m] = own.LossSum(0);
        }

        for (int width = 1; width < count; width *= 2)
        {
            for (int left = 0; left + width < count; left += 2 * width)
            {
                losses[left] += losses[left + width];
                for (int i = 0; i < whole.Length; i++)
                {
                    gradients[left][i] += gradients[left + width][i];
                }
            }
        }

        Assert.Equal(losses[0], lossSum);
        Assert.Equal(gradients[0], whole);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_range_of_micro_batches_gives_the_nodes_of_its_cover(string kind)
    {
        using var trial = NewTrial(kind, microBatches: 7);
        using GradientSet range = trial.Compute(1, 7, out _);
        Assert.Equal(
            [new TreeNode(0, 1), new TreeNode(1, 1), new TreeNode(2, 1)], range.Nodes);
        for (int index = 0; index < range.Nodes.Count; index++)
        {
            TreeNode node = range.Nodes[index];
            using GradientSet alone =
                trial.Compute(node.FirstMicroBatch, node.EndMicroBatch(7), out _);
            Assert.Equal(
                alone.Gradient(0).Span.ToArray(), range.Gradient(index).Span.ToArray());
            Assert.Equal(alone.LossSum(0), range.LossSum(index));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void The_number_of_threads_changes_no_bit(string kind)
    {
        using var single = NewTrial(kind, microBatches: 5);
        (float[] expected, double lossSum) = single.ComputeAll();
        foreach (int threads in new[] { 2, 3 })
        {
            using var trial = NewTrial(kind, microBatches: 5, threads);
            (float[] gradient, double sum) = trial.ComputeAll();
            Assert.Equal(expected, gradient);
            Assert.Equal(lossSum, sum);
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_training_step_allocates_nothing(string kind)
    {
        using var trial = NewTrial(kind, microBatches: 5, threads: 2);
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 5, 5);
        var outputs = new float[Rows * trial.Network.OutputShape.Count];
        var listener = new Views();
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            listener.Seen.Clear();
            executor.ForwardAhead(trial.Batch, trial.Work, 0, 5, endView: 2);
            executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener);
            executor.Evaluate(trial.Batch, outputs, rowLosses: []);
        }));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Layers_are_announced_last_first_and_each_is_final_then(string kind)
    {
        using var trial = NewTrial(kind, microBatches: 3);
        (float[] whole, _) = trial.ComputeAll();
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 3, 3);
        var listener = new Views(trial.Network);
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener);
        int next = trial.Network.Layout.Views.Length;
        foreach ((int first, int end, float[] announced) in listener.Seen)
        {
            Assert.Equal(next, end);
            next = first;
            int start = trial.Network.Layout.Views[first].Offset;
            Assert.Equal(whole.AsSpan(start, announced.Length).ToArray(), announced);
        }

        Assert.Equal(0, next);
    }

    [Fact]
    public void A_gradient_computed_again_does_not_remember_the_one_before()
    {
        using var trial = NewTrial(EveryLayer, microBatches: 3);
        (float[] expected, double lossSum) = trial.ComputeAll();
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 3, 3);
        executor.ComputeGradients(
            trial.Batch, trial.Work with { Step = 99 }, gradients, listener: null);
        Assert.NotEqual(expected, gradients.Gradient(0).Span.ToArray());
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
        Assert.Equal(expected, gradients.Gradient(0).Span.ToArray());
        Assert.Equal(lossSum, gradients.LossSum(0));
    }

    [Fact]
    public void Micro_batches_without_rows_contribute_nothing()
    {
        using var trial = NewTrial(EveryLayer, microBatches: 64);
        int empty = Enumerable.Range(0, 64).First(
            m => trial.Work.MicroBatches.Start(m) == trial.Work.MicroBatches.Start(m + 1));
        using GradientSet gradients = trial.Compute(empty, empty + 1, out float[] output);
        Assert.Empty(output);
        Assert.All(gradients.Gradient(0).Span.ToArray(), value => Assert.Equal(0f, value));
        Assert.Equal(0, gradients.LossSum(0));
    }

    [Fact]
    public void Frozen_parameters_have_no_gradient_and_need_none_before_them()
    {
        LayerDefinition[] layers =
        [
            new DenseDefinition(4) { WeightTrainable = false, BiasTrainable = false },
            new DenseDefinition(3) { BiasTrainable = false },
        ];
        using var trial = new Trial(Shape.Of(5), layers, rows: 6);
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 1, 1);
        gradients.Gradient(0).Span.Fill(5);
        var listener = new Views();
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener);
        Assert.Equal([2, 0], listener.Seen.Select(seen => seen.First));
        Assert.True(executor.OutputGradient(0).IsEmpty);
        foreach (ParameterView view in trial.Network.Layout.Views)
        {
            float[] gradient = gradients.Gradient(0).Span.Slice(view.Offset, view.Length).ToArray();
            Assert.Equal(view.Name == "dense2.weight", gradient.Any(value => value != 0));
        }
    }

    /// <summary>Layers with weights, each trained and not, with the input that they read.</summary>
    private static readonly Dictionary<string, (Shape Input, Func<bool, LayerDefinition> Layer)>
        s_frozen = new()
    {
        ["convolution"] = (Shape.Of(5, 4), trainable => new ConvolutionDefinition(1, 6, new(1, 3))
        {
            WeightTrainable = trainable, BiasTrainable = trainable,
        }),
        ["layer-normalization"] = (
            Shape.Of(5, 4), t => new LayerNormalizationDefinition { Trainable = t }),
        ["rms-normalization"] = (
            Shape.Of(5, 4), t => new RmsNormalizationDefinition { Trainable = t }),
        ["group-normalization"] = (
            Shape.Of(5, 4), t => new GroupNormalizationDefinition(2) { Trainable = t }),
        ["attention"] = (
            Shape.Of(5, 4), t => new AttentionDefinition(2) { IsRotary = true, Trainable = t }),
        ["swiglu"] = (
            Shape.Of(5, 4), t => new SwiGluDefinition(7) { Bias = true, Trainable = t }),
        ["lstm"] = (Shape.Of(5, 4), t => new LstmDefinition(3) { Trainable = t }),
        ["gru"] = (Shape.Of(5, 4), t => new GruDefinition(3) { Trainable = t }),
        ["positions"] = (
            Shape.Of(5, 4),
            t => new PositionalEncodingDefinition(PositionalKind.Learned) { Trainable = t }),
    };

    public static TheoryData<string> FrozenKinds => [.. s_frozen.Keys];

    [Theory]
    [MemberData(nameof(FrozenKinds))]
    public void A_frozen_layer_passes_the_same_gradient_back_and_has_none_itself(string kind)
    {
        (Shape input, Func<bool, LayerDefinition> layer) = s_frozen[kind];
        (float[] trained, Network network) = GradientOf(trainable: true);
        (float[] frozen, _) = GradientOf(trainable: false);
        foreach (ParameterView view in network.Layout.Views)
        {
            bool isOwn = view.LayerName is not ("before" or "after");
            Assert.Contains(
                trained.AsSpan(view.Offset, view.Length).ToArray(), value => value != 0);
            Assert.Equal(
                isOwn ? new float[view.Length] : trained[view.Offset..][..view.Length],
                frozen[view.Offset..][..view.Length]);
        }

        (float[] Gradient, Network Network) GradientOf(bool trainable)
        {
            using var trial = new Trial(
                input,
                [
                    new DenseDefinition(4) { Name = "before" }, layer(trainable),
                    new DenseDefinition(2) { Name = "after" },
                ],
                rows: 6, microBatches: 3);
            using NetworkExecutor executor = trial.NewExecutor();
            using var gradients = new GradientSet(trial.Network.Layout, 0, 3, 3);
            gradients.Gradient(0).Span.Fill(5);
            executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
            return (gradients.Gradient(0).Span.ToArray(), trial.Network);
        }
    }

    [Fact]
    public void What_is_tied_to_a_frozen_table_trains_what_is_before_it()
    {
        LayerDefinition[] layers = [.. Tied];
        layers[0] = ((EmbeddingDefinition)layers[0]) with { Trainable = false };
        using var tied = NewTrial("tied", microBatches: 3);
        using var frozen = new Trial(
            Shape.Of(Positions), layers, Rows, microBatches: 3, vocabulary: Vocabulary);
        float[] expected = tied.ComputeAll().Gradient, gradient = frozen.ComputeAll().Gradient;
        int table = frozen.Network.Layout.Views[1].Offset;
        Assert.All(gradient[..table], value => Assert.Equal(0, value));
        Assert.Equal(expected[table..], gradient[table..]);
    }

    [Fact]
    public void Evaluation_has_no_dropout_and_gives_each_rows_loss()
    {
        LayerDefinition[] plain = [new DenseDefinition(4)];
        LayerDefinition[] dropping = [new DenseDefinition(4), new DropoutDefinition(0.5f)];
        using var expected = new Trial(Shape.Of(5), plain, rows: 6);
        using var trial = new Trial(Shape.Of(5), dropping, rows: 6);
        float[] outputs = new float[24], losses = new float[6], again = new float[24];
        using NetworkExecutor first = expected.NewExecutor(), second = trial.NewExecutor();
        first.Evaluate(expected.Batch, outputs, losses);
        second.Evaluate(trial.Batch, again, rowLosses: []);
        Assert.Equal(outputs, again);
        for (int row = 0; row < 6; row++)
        {
            double sum = 0;
            for (int i = 4 * row; i < 4 * row + 4; i++)
            {
                sum += (double)outputs[i] * expected.Batch.Targets.Span[i];
            }

            Assert.Equal(sum, losses[row], tolerance: 1e-5);
        }
    }

    [Fact]
    public void The_articles_two_neurons_have_the_articles_gradients()
    {
        var sigmoid = new SigmoidDefinition();
        LayerDefinition[] layers =
        [
            new DenseDefinition(2)
            {
                Activation = sigmoid,
                WeightInitializer = new ExplicitValues([.15f, .25f, .20f, .30f]),
                BiasInitializer = new Constant(.35f),
            },
            new DenseDefinition(2)
            {
                Activation = sigmoid,
                WeightInitializer = new ExplicitValues([.40f, .50f, .45f, .55f]),
                BiasInitializer = new Constant(.60f),
            },
        ];
        using var trial = new Trial(Shape.Of(2), layers, rows: 1);
        trial.Batch.Features.Span[0] = .05f;
        trial.Batch.Features.Span[1] = .10f;

        // dE/dout of half the squared error: output − target.
        trial.Batch.Targets.Span[0] = 0.7513650695523157f - .01f;
        trial.Batch.Targets.Span[1] = 0.7729284653214625f - .99f;
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 1, 1);
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
        Near([0.5932699921071872, 0.596884378259767], executor.Activation(1));
        Near([0.7513650695523157, 0.7729284653214625], executor.Activation(3));
        double[][] expected =
        [
            [
                0.0004385677344743465, 0.0004977127352608599, 0.000877135468948693,
                0.0009954254705217198,
            ],
            [0.00877135468948693, 0.009954254705217196],
            [
                0.08216704056423077, -0.02260254047747507, 0.08266762784753325,
                -0.022740242215978222,
            ],
            [0.13849856162855695, -0.038098236516556236],
        ];
        for (int index = 0; index < expected.Length; index++)
        {
            ParameterView view = trial.Network.Layout.Views[index];
            Near(expected[index], gradients.Gradient(0).Span.Slice(view.Offset, view.Length));
        }
    }

    [Fact]
    public void Error_splitting_leaves_the_derivatives_of_activations_out()
    {
        LayerDefinition[] activated =
        [
            new DenseDefinition(4) { Activation = new SigmoidDefinition() },
            new DenseDefinition(3) { Activation = new TanhDefinition() },
            new SoftmaxDefinition(),
        ];
        using var trial = new Trial(Shape.Of(5), activated, rows: 6);
        using NetworkExecutor executor = trial.NewExecutor(errorSplitting: true);
        using var gradients = new GradientSet(trial.Network.Layout, 0, 1, 1);
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
        for (int activation = 1; activation <= 4; activation++)
        {
            if (activation != 2)
            {
                Assert.Equal(
                    executor.OutputGradient(activation).ToArray(),
                    executor.OutputGradient(activation - 1).ToArray());
            }
        }

        // The dense layer between them still sends errors back along its weights.
        ReadOnlySpan<float> error = executor.OutputGradient(2), weight =
            trial.Parameter("dense2.weight");
        double sum = 0;
        for (int j = 0; j < 3; j++)
        {
            sum += (double)weight[j] * error[j];
        }

        Assert.Equal(sum, executor.OutputGradient(1)[0], tolerance: 1e-6);
    }

    [Fact]
    public void What_does_not_fit_is_refused_with_the_numbers()
    {
        using var trial = new Trial(
            Shape.Of(5), [new DenseDefinition(4)], rows: 6, microBatches: 2);
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 2, 2);
        using var narrow = new Batch(6, features: 4, targetWidth: 4) { Rows = 6 };
        using var untargeted = new Batch(6, features: 5, targetWidth: 1) { Rows = 6 };
        using var large = new Batch(7, features: 5, targetWidth: 4) { Rows = 7 };
        using var short5 = new Batch(6, features: 5, targetWidth: 4) { Rows = 5 };
        Refused("the batch has 4 features a row; the network reads 5", narrow, trial.Work);
        Refused(
            "the batch has 1 targets a row; linear on 4 outputs takes 4", untargeted, trial.Work);
        Refused("the batch has 7 rows", large, trial.Work);
        Refused("have 6 rows; the batch has 5", short5, trial.Work);
        Refused(
            "the step has 6 rows in 3 micro-batches; the gradients are made for 2", trial.Batch,
            trial.Work with { MicroBatches = new MicroBatches(6, 3) });
        Refused(
            "the step has 0 rows", trial.Batch,
            trial.Work with { MicroBatches = new MicroBatches(0, 2) });
        Assert.Throws<ArgumentException>(
            () => executor.Evaluate(trial.Batch, new float[23], rowLosses: []));
        Assert.Throws<ArgumentException>(
            () => executor.Evaluate(trial.Batch, new float[24], new float[5]));

        void Refused(string message, Batch batch, StepWork work)
        {
            var error = Assert.Throws<ArgumentException>(
                () => executor.ComputeGradients(batch, work, gradients, listener: null));
            Assert.Contains(message, error.Message);
        }
    }

    [Fact]
    public void Without_weights_or_with_a_strangers_nothing_is_computed()
    {
        using var trial = new Trial(Shape.Of(5), [new DenseDefinition(4)], rows: 6);
        using var executor = new NetworkExecutor(
            trial.Network, trial.Loss, maxRows: 6, maxMicroBatches: 1, trial.Pool);
        Assert.Throws<InvalidOperationException>(
            () => executor.Evaluate(trial.Batch, new float[24], rowLosses: []));
        using var weights = new AlignedBuffer(7);
        Assert.Throws<ArgumentException>(() => executor.UseWeights(weights));
    }

    [Fact]
    public void A_network_that_computes_nothing_has_no_executor()
    {
        var network = Network.Build(Shape.Of(2, 2), [new FlattenDefinition()]);
        using var trial = new Trial(Shape.Of(5), [new DenseDefinition(4)], rows: 6);
        Assert.Throws<ArgumentException>(
            () => new NetworkExecutor(network, trial.Loss, 1, 1, trial.Pool));
    }

    [Fact]
    public void A_batch_too_large_for_a_buffer_is_refused_by_the_layers_name()
    {
        using var trial = new Trial(Shape.Of(5), [new DenseDefinition(4)], rows: 6);
        var error = Assert.Throws<ArgumentException>(() => new NetworkExecutor(
            trial.Network, trial.Loss, int.MaxValue, maxMicroBatches: 1, trial.Pool));
        Assert.Contains("'dense1' needs 4 floats for each of 2,147,483,647 rows", error.Message);
    }

    [Fact]
    public void The_memory_that_is_foretold_covers_outputs_and_gradients()
    {
        var network = Network.Build(
            Shape.Of(5), [new DenseDefinition(4) { Activation = new ReluDefinition() }]);

        // Two layers of 4 outputs, each with a gradient, a loss, and one of its only position: 18
        // floats a row.
        Assert.Equal(
            18 * 4 * 100,
            NetworkExecutor.BufferBytes(
                network, new LinearLoss(), 100, maxMicroBatches: 8, threads: 2));
    }

    [Fact]
    public void What_is_recomputed_takes_less_memory_and_comes_to_the_same_bits()
    {
        LayerDefinition[] inner =
        [
            new DenseDefinition(96), new BatchNormalizationDefinition(), new ReluDefinition(),
            new DropoutDefinition(0.25f), new ResidualDefinition([new DenseDefinition(96)]),
            new FlattenDefinition(),
        ];
        var block = new BlockDefinition([.. inner]) { Repeat = 4, Name = "deep" };
        LayerDefinition[] kept = [new DenseDefinition(96), block, new DenseDefinition(5)];
        LayerDefinition[] recomputed =
            [kept[0], block with { Recompute = true }, kept[2]];
        using var all = new Trial(Shape.Of(7), kept, Rows, microBatches: 3);
        using var some = new Trial(Shape.Of(7), recomputed, Rows, microBatches: 3);
        (float[] expected, double lossSum) = all.ComputeAll();
        (float[] actual, double actualSum) = some.ComputeAll();
        Assert.Equal(expected, actual);
        Assert.Equal(lossSum, actualSum);

        // Of each of four blocks one output with its gradient stays, and one block's inside: four
        // outputs with gradients and a mask.
        long bytes = NetworkExecutor.BufferBytes(all.Network, all.Loss, 100, 1, 1);
        long fewer = NetworkExecutor.BufferBytes(some.Network, some.Loss, 100, 1, 1);
        Assert.InRange(bytes - fewer, 3 * 4 * 2 * 96 * 100 * sizeof(float), bytes);
    }

    [Fact]
    public void Nodes_that_others_read_are_not_recomputed()
    {
        Network network = Network.Build(
            Shape.Of(4), [new DenseDefinition(4), new ResidualDefinition([new TanhDefinition()])]);
        var error = Assert.Throws<ArgumentException>(() => new Network(
            network.InputShape, network.Nodes, recomputed: [new NodeRange(0, 2)]));
        Assert.Contains("'residual1' reads a node within", error.Message);
        Assert.Throws<ArgumentException>(() => new Network(
            network.InputShape, network.Nodes, recomputed: [new(0, 1), new(0, 3)]));
    }

    [Theory]
    [InlineData("rows", 1)]
    [InlineData("rows", 2)]
    [InlineData("sequences", 2)]
    public void Forward_in_parts_as_weights_come_gives_the_bits_of_all_at_once(
        string kind, int threads)
    {
        using var trial = NewTrial(kind, microBatches: 3, threads);
        (float[] expected, double lossSum) = trial.ComputeAll();
        ParameterLayout layout = trial.Network.Layout;
        using var weights = new AlignedBuffer(layout.Length);
        weights.Span.Fill(float.NaN);
        using NetworkExecutor executor = trial.NewExecutor();
        executor.UseWeights(weights);
        executor.ForwardAhead(trial.Batch, trial.Work, 0, 3, endView: 0);
        for (int view = 0; view < layout.Views.Length; view++)
        {
            // One view is copied while forward goes through the layers before it.
            int start = layout.Views[view].Offset, length = layout.Views[view].Length;
            var copy = new Thread(() => trial.Weights.Span.Slice(start, length)
                .CopyTo(weights.Span[start..]));
            copy.Start();
            executor.ForwardAhead(trial.Batch, trial.Work, 0, 3, endView: view);
            copy.Join();
        }

        using var gradients = new GradientSet(layout, 0, 3, 3);
        executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
        Assert.Equal(expected, gradients.Gradient(0).Span.ToArray());
        Assert.Equal(lossSum, gradients.LossSum(0));
    }

    [Fact]
    public void What_was_begun_is_forgotten_with_other_weights_or_an_evaluation()
    {
        using var trial = NewTrial(EveryLayer, microBatches: 3);
        (float[] expected, _) = trial.ComputeAll();
        using NetworkExecutor executor = trial.NewExecutor();
        using var others = new AlignedBuffer(trial.Network.Layout.Length);
        using var gradients = new GradientSet(trial.Network.Layout, 0, 3, 3);
        Begin();
        executor.UseWeights(trial.Weights);
        AssertComputesAll();
        Begin();
        var outputs = new float[Rows * trial.Network.OutputShape.Count];
        executor.Evaluate(trial.Batch, outputs, rowLosses: []);
        executor.UseWeights(trial.Weights);
        AssertComputesAll();

        void Begin()
        {
            executor.UseWeights(others);
            executor.ForwardAhead(trial.Batch, trial.Work, 0, 3, endView: 4);
        }

        void AssertComputesAll()
        {
            executor.ComputeGradients(trial.Batch, trial.Work, gradients, listener: null);
            Assert.Equal(expected, gradients.Gradient(0).Span.ToArray());
        }
    }

    [Fact]
    public void Another_step_than_the_one_begun_is_refused()
    {
        using var trial = NewTrial(EveryLayer, microBatches: 3);
        using NetworkExecutor executor = trial.NewExecutor();
        using var gradients = new GradientSet(trial.Network.Layout, 0, 3, 3);
        executor.ForwardAhead(trial.Batch, trial.Work, 0, 3, endView: 2);
        StepWork other = trial.Work with { Step = 4 };
        Assert.Throws<InvalidOperationException>(
            () => executor.ForwardAhead(trial.Batch, other, 0, 3, endView: 2));
        Assert.Throws<InvalidOperationException>(
            () => executor.ComputeGradients(trial.Batch, other, gradients, listener: null));
        int views = trial.Network.Layout.Views.Length;
        Assert.Throws<ArgumentOutOfRangeException>(
            () => executor.ForwardAhead(trial.Batch, trial.Work, 0, 3, views + 1));
        executor.UseWeights(trial.Weights);
        Assert.Throws<ArgumentException>(
            () => executor.ForwardAhead(trial.Batch, trial.Work, 0, 4, endView: 0));
    }

    private static Trial NewTrial(string kind, int microBatches, int threads = 1) =>
        kind == "rows"
            ? NewTrial(EveryLayer, microBatches, threads)
            : new Trial(
                Shape.Of(Positions), kind == "tied" ? Tied : EverySequenceLayer, Rows,
                microBatches, threads, Vocabulary);

    private static DenseDefinition Tie(string embedding) =>
        new(Vocabulary) { Tie = embedding, Bias = false };

    private static Trial NewTrial(LayerDefinition[] layers, int microBatches, int threads = 1) =>
        new(Shape.Of(7, 3), layers, Rows, microBatches, threads);

    private static void Near(double[] expected, ReadOnlySpan<float> actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], tolerance: 1e-6 * Math.Abs(expected[i]));
        }
    }

    private sealed class Views(Network? network = null) : ILayerGradientListener
    {
        public List<(int First, int End, float[] Gradient)> Seen { get; } = new(64);

        // Without a network only the views are noted, and nothing is allocated.
        public void OnLayerGradient(GradientSet gradients, int firstView, int endView)
        {
            float[] copy = [];
            if (network is not null)
            {
                ParameterView first = network.Layout.Views[firstView];
                ParameterView last = network.Layout.Views[endView - 1];
                copy = gradients.Gradient(0)
                    .Span[first.Offset..(last.Offset + last.Length)].ToArray();
            }

            Seen.Add((firstView, endView, copy));
        }
    }
}
