using Backprop.Data.Batches;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Schedules;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Specification;

public sealed class RunSpecificationReaderTests
{
    private const string Whole = """
        name = digits
        seed = 42
        data {
          train { idx { images = "a.gz", labels = "b.gz" } }
          validation { fraction = 0.1, stratified = true }
          test { idx { images = [c, d], labels = [e, f] } }
          normalize = unit
        }
        model = [
          flatten
          { dense { units = 128, activation = relu, name = hidden } }
          { dropout { rate = 0.1 } }
          { residual { layers = [ { dense { units = 128 } }, tanh ] } }
          { dense {
            units = 10, activation { leaky-relu { slope = 0.2 } }
            bias { constant = 0.35, trainable = false }
            weight-init { normal { standard-deviation = 0.1 } }
          } }
        ]
        loss { softmax-cross-entropy { label-smoothing = 0.1, class-weights = balanced } }
        optimizer { adam { learning-rate = 1e-3, beta1 = 0.8 } }
        schedule { warm-up { steps = 100, then { cosine { minimum-factor = 0.1 } } } }
        penalty { l2 = 1e-4 }, clip { norm = 1.0 }
        batch-size = 128, micro-batches = 16, epochs = 20, backward = error-splitting
        stop { patience = 5, metric = validation-accuracy }
        stop { max-time = 10 minutes, max-steps = 5000000000 }
        ensemble { seeds = 5 }
        checkpoint { every-steps = 100, keep = 3 }
        workers { min = 2, max = 64 }
        """;

    private const string Least = """
        name = least
        data { train { generated { xor {} } } }
        model = [ { dense { units = 1 } } ]
        loss = binary-cross-entropy
        optimizer { sgd { learning-rate = 1 } }
        epochs = 3
        """;

    private const string Sequences = """
        name = sequences
        data {
          train { text { path = "a.txt", tokens = bytes, length = 64, stride = 3, to = 0.9 } }
          validation { text { path = "a.txt", tokens = bytes, length = 64, from = 0.9 } }
        }
        model = [
          { embedding { vocabulary = 256, width = 32, weight-init = zeros, trainable = false } }
          { positional-encoding = sinusoidal }
          { block {
            repeat = 6, name = deep
            layers = [
              { attention {
                heads = 4, key-value-heads = 2, causal = false, rotary = true, rotary-base = 500000
                bias = false
                padding-token = 3
              } }
              { rms-normalization { epsilon = 1e-6, affine = false } }
              { swiglu { units = 48, bias = true } }
            ]
          } }
          { lstm { units = 8 } }
          { gru { units = 9, return = last, truncation = 16 } }
          { position-pooling = mean }
        ]
        loss = softmax-cross-entropy
        optimizer { sgd { learning-rate = 1 } }
        epochs = 3
        """;

    [Theory]
    [InlineData("convolution-1d { filters = 2, kernel = 3, trainable = false }")]
    [InlineData("batch-normalization { trainable = false }")]
    [InlineData("layer-normalization { trainable = false }")]
    [InlineData("rms-normalization { trainable = false }")]
    [InlineData("group-normalization { groups = 2, trainable = false }")]
    [InlineData("attention { heads = 2, trainable = false }")]
    [InlineData("swiglu { units = 5, bias = true, trainable = false }")]
    [InlineData("lstm { units = 5, trainable = false }")]
    [InlineData("gru { units = 5, trainable = false }")]
    [InlineData("positional-encoding { positions = learned, trainable = false }")]
    public void A_layer_that_is_not_trained_has_no_parameter_that_is(string layer)
    {
        RunSpecification run = RunSpecificationReader.Read(
            $$"""
            name = frozen
            data { train { inline { features = [[0, 1]], labels = [0] } } }
            model = [ { {{layer}} } ]
            loss = softmax-cross-entropy
            optimizer { sgd { learning-rate = 1 } }
            epochs = 1
            """, "x.conf");
        Network network = RunPlanner.BuildNetwork(run, Shape.Of(6, 4));
        Assert.NotEmpty(network.Layout.Views);
        Assert.All(network.Layout.Views, view => Assert.False(view.Declaration.Trainable));
    }

    [Theory]
    [InlineData("layer-normalization { affine = false, trainable = false }", "no scale to train")]
    [InlineData(
        "positional-encoding { positions = sinusoidal, trainable = true }", "are not trained")]
    [InlineData("dense { units = 2, tie = a, trainable = false }", "the weights are the embed")]
    [InlineData("dense { units = 2, tie = a, weight-init = zeros }", "the weights are the embed")]
    [InlineData("dense { units = 2, tie = a, bias = true }", "has no biases")]
    public void Nothing_is_said_of_weights_that_are_not_there(string layer, string message)
    {
        var refused = Assert.Throws<SpecificationException>(() => RunSpecificationReader.Read(
            $$"""
            name = frozen
            data { train { inline { features = [[0, 1]], labels = [0] } } }
            model = [ { {{layer}} } ]
            loss = softmax-cross-entropy
            optimizer { sgd { learning-rate = 1 } }
            epochs = 1
            """, "x.conf"));
        Assert.Contains(message, refused.Message);
        Assert.StartsWith("model[0]", refused.Errors.Single().Path);
    }

    [Fact]
    public void Layers_on_sequences_and_texts_are_read()
    {
        RunSpecification run = RunSpecificationReader.Read(Sequences, "x.conf");
        var text = Assert.IsType<DataSource.Text>(run.Data.Train.Value);
        Assert.Equal(
            new TextOptions
            {
                Path = "a.txt", Tokens = TextTokens.Bytes, Length = 64, Stride = 3, To = 0.9,
            },
            text.Options);
        Assert.Equal(
            0.9, Assert.IsType<DataSource.Text>(run.Data.Validation!.Value).Options.From);
        var block = Assert.IsType<BlockDefinition>(run.Layers[2].Value);
        LayerDefinition[] expected =
        [
            new EmbeddingDefinition(256, 32)
            {
                WeightInitializer = Constant.Zeros, Trainable = false,
            },
            new PositionalEncodingDefinition(PositionalKind.Sinusoidal),
            new BlockDefinition(block.Layers) { Repeat = 6, Name = "deep" },
            new LstmDefinition(8),
            new GruDefinition(9) { Return = RecurrentReturn.Last, Truncation = 16 },
            new PositionPoolingDefinition(PoolingKind.Mean),
        ];
        Assert.Equal(expected, run.Layers.Select(layer => layer.Value));
        LayerDefinition[] inner =
        [
            new AttentionDefinition(4)
            {
                KeyValueHeads = 2, IsCausal = false, IsRotary = true, RotaryBase = 500_000,
                Bias = false, PaddingToken = 3,
            },
            new RmsNormalizationDefinition { Epsilon = 1e-6f, Affine = false },
            new SwiGluDefinition(48) { Bias = true },
        ];
        Assert.Equal(inner, block.Layers);
    }

    [Theory]
    [InlineData("to = 0.9", "from = 0.9, to = 0.5", "the part from 0.9 to 0.5 has nothing in it")]
    [InlineData("tokens = bytes, length", "tokens = words, length", "characters")]
    [InlineData("epochs = 3", "epochs = 3, data.normalize = unit", "tokens are numbers")]
    [InlineData("epochs = 3", "epochs = 3, data.augment = [ { noise { standard-deviation = 1 } } ]",
        "changes images")]
    [InlineData("text { path = \"a.txt\", tokens = bytes, length = 64, from = 0.9 }",
        "fraction = 0.1", "a text is parted by position")]
    [InlineData("return = last", "return = first", "sequence")]
    public void What_a_text_cannot_have_is_refused(string right, string wrong, string expected)
    {
        var refused = Assert.Throws<SpecificationException>(() => RunSpecificationReader.Read(
            Sequences.Replace(right, wrong, StringComparison.Ordinal), "x.conf"));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_part_of_a_run_is_read()
    {
        RunSpecification run = RunSpecificationReader.Read(Whole, "digits.conf");
        Assert.Equal(42UL, run.Seed);
        Assert.Equal(0.1, run.Data.Preparation.ValidationFraction);
        Assert.True(run.Data.Preparation.Stratified);
        Assert.Equal(
            ["flatten", "dense", "dropout", "residual", "dense"],
            run.Layers.Select(layer => layer.Value.Kind));
        Assert.Equal("model[4].dense", $"{run.Layers[4].Place.Path}.dense");
        var last = Assert.IsType<DenseDefinition>(run.Layers[4].Value);
        Assert.Equal(new LeakyReluDefinition(0.2f), last.Activation);
        Assert.Equal(new Constant(0.35f), last.BiasInitializer);
        Assert.Equal(new Normal(0, 0.1f), last.WeightInitializer);
        Assert.True(last.WeightTrainable);
        Assert.False(last.BiasTrainable);
        Assert.True(run.Outputs[0].Loss.Value.HasBalancedClassWeights);
        Assert.Equal(
            0.1f, Assert.IsType<SoftmaxCrossEntropy>(run.Loss.Single).LabelSmoothing);
        Assert.Equal(new Adam { LearningRate = 1e-3f, Beta1 = 0.8 }, run.Optimizer);
        Assert.Equal(
            new WarmUpSchedule { Steps = 100, Inner = new CosineSchedule { MinimumFactor = 0.1 } },
            run.Schedule);
        Assert.Equal(new Penalty(0, 1e-4f), run.Penalty);
        Assert.Equal(new Clipping(null, 1), run.Clipping);
        Assert.Equal(BackwardRule.ErrorSplitting, run.Backward);
        Assert.Equal((128, 16, 20), (run.BatchSize, run.MicroBatches, run.Epochs));
        Assert.Equal(
            new StopRules(
                StopMetric.ValidationAccuracy, Patience: 5, MaxSteps: 5_000_000_000,
                MaxTime: TimeSpan.FromMinutes(10)),
            run.Stop.Value);
        Assert.Equal(new EnsembleSpecification(5), run.Ensemble);
        Assert.Equal(new CheckpointSpecification(null, 100, null, 3), run.Checkpoint);
        Assert.Equal(new WorkersSpecification(2, 64), run.Workers);
    }

    [Fact]
    public void A_fold_is_read()
    {
        RunSpecification run = RunSpecificationReader.Read(
            Whole.Replace("fraction = 0.1, stratified = true", "folds = 5, fold = 3"), "x.conf");
        Assert.Equal(new ValidationFold(5, 3), run.Data.Preparation.ValidationFold);
        Assert.Null(run.Data.Preparation.ValidationFraction);
    }

    [Theory]
    [InlineData("stratified = true", "exactly one of 'fraction' and 'folds' must stand here")]
    [InlineData("fraction = 0.1, folds = 5", "exactly one of 'fraction' and 'folds'")]
    [InlineData("folds = 5, fold = 5", "there are 5 folds, 0 to 4")]
    [InlineData("fraction = 0.1, fold = 0", "is one of 'folds'")]
    [InlineData("folds = 1", "from 2 to 1000")]
    public void A_fold_that_there_is_not_is_refused(string keys, string expected)
    {
        var refused = Assert.Throws<SpecificationException>(() => RunSpecificationReader.Read(
            Whole.Replace("fraction = 0.1, stratified = true", keys), "x.conf"));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("json-lines", "files = a.jsonl, missing-tokens = [NA]")]
    [InlineData("parquet", "files = [a.parquet, b.parquet]")]
    [InlineData("csv", "files = a.csv, header = false, delimiter = tab")]
    public void Tables_are_read_in_every_syntax(string syntax, string keys)
    {
        string text = Least.Replace(
            Least[Least.IndexOf("data", StringComparison.Ordinal)
                ..Least.IndexOf("model", StringComparison.Ordinal)],
            $$"""
            data {
              train { {{syntax}} {
                {{keys}}, target { values = y }, columns { c = categorical }
              } }
              test { {{syntax}} { {{keys}} } }
            }

            """);
        RunSpecification run = RunSpecificationReader.Read(text, "x.conf");
        TableOptions train = Assert.IsType<DataSource.Table>(run.Data.Train.Value).Options;
        TableOptions test = Assert.IsType<DataSource.Table>(run.Data.Test!.Value).Options;
        Assert.Equal(
            syntax switch
            {
                "parquet" => new TableSyntax.Parquet(),
                "json-lines" => new TableSyntax.JsonLines(),
                _ => new TableSyntax.Csv { HasHeader = false, Delimiter = '\t' },
            },
            train.Syntax);
        Assert.Equal(train.Syntax, test.Syntax);
        Assert.Equal(train.Paths.AsEnumerable(), test.Paths);
        Assert.Equal(new TableColumn.Categorical("c"), Assert.Single(train.Columns));
    }

    [Theory]
    [InlineData("tokens { byte-pairs { size = 500 } }", null)]
    [InlineData("tokens { byte-pairs { vocabulary = v.json, merges = m.txt } }", null)]
    [InlineData("tokens { byte-pairs {} }", "exactly one of 'vocabulary' and 'size'")]
    [InlineData("tokens = byte-pairs", "exactly one of 'vocabulary' and 'size'")]
    [InlineData("tokens { byte-pairs { size = 500, vocabulary = v.json } }", "exactly one of")]
    [InlineData("tokens { byte-pairs { size = 500, merges = m.txt } }", "belongs to a")]
    [InlineData("tokens { byte-pairs { size = 255 } }", "256")]
    public void Tokens_of_byte_pairs_are_read_or_refused(string keys, string? expected)
    {
        string text = Sequences.Replace("tokens = bytes", keys, StringComparison.Ordinal);
        if (expected is not null)
        {
            var refused = Assert.Throws<SpecificationException>(
                () => RunSpecificationReader.Read(text, "x.conf"));
            Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
            return;
        }

        TextOptions options = Assert.IsType<DataSource.Text>(
            RunSpecificationReader.Read(text, "x.conf").Data.Train.Value).Options;
        Assert.Equal(TextTokens.BytePairs, options.Tokens);
        BytePairSource wanted = keys.Contains("size", StringComparison.Ordinal)
            ? new BytePairSource.Found(500)
            : new BytePairSource.File("v.json", "m.txt");
        Assert.Equal(wanted, options.BytePairs);
    }

    [Theory]
    [InlineData("path = a", null)]
    [InlineData("path = a, size = [28, 30], channels = grey", null)]
    [InlineData("path = a, size = 28", "rows and columns of pixels")]
    [InlineData("path = a, size = [28, 28, 3]", "found 3 numbers")]
    [InlineData("path = \"https://host/a#sha256=00\"", "is a URL, by which a file can be got")]
    public void Folders_of_images_are_read_or_refused(string keys, string? expected)
    {
        string text = Least.Replace("generated { xor {} }", $"images {{ {keys} }}");
        if (expected is not null)
        {
            var refused = Assert.Throws<SpecificationException>(
                () => RunSpecificationReader.Read(text, "x.conf"));
            Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
            return;
        }

        ImageFolderOptions options = Assert.IsType<DataSource.Images>(
            RunSpecificationReader.Read(text, "x.conf").Data.Train.Value).Options;
        bool isSized = keys.Contains("size", StringComparison.Ordinal);
        Assert.Equal(
            new ImageFolderOptions
            {
                Path = "a", IsGrey = isSized, Size = isSized ? new ImageSize(28, 30) : null,
            },
            options);
    }

    [Fact]
    public void Archives_of_samples_are_read_with_their_defaults()
    {
        TarShardOptions images = Archives("files = \"t-{08..10}.tar\"");
        Assert.Equal(["t-08.tar", "t-09.tar", "t-10.tar"], [.. images.Paths]);
        Assert.Equal([".png", ".jpg", ".jpeg"], [.. images.Features]);
        Assert.Equal((".cls", false, null), (images.Class, images.IsGrey, images.Size));

        TarShardOptions arrays = Archives(
            "files = [a.tar, \"b-{1..2}.tar\"], features = .X.npy, class = .label");
        Assert.Equal(["a.tar", "b-1.tar", "b-2.tar"], [.. arrays.Paths]);
        Assert.Equal([".x.npy"], [.. arrays.Features]);
        Assert.Equal(".label", arrays.Class);
    }

    [Theory]
    [InlineData("features = [.png, .npy]", "images and arrays cannot be features of one set")]
    [InlineData("features = .txt", "data.train.tar-shards.features: expected an ending")]
    [InlineData("features = .npy, class = .npy", "is the ending of features already")]
    [InlineData("features = .npy, channels = grey", "channels: is said of images")]
    [InlineData("class = cls", "data.train.tar-shards.class: expected an ending")]
    [InlineData("files = [\"{2..1}\"]", "data.train.tar-shards.files[0]: '{2..1}' stands for no")]
    public void Archives_of_samples_are_refused_by_key(string keys, string expected)
    {
        var refused = Assert.Throws<SpecificationException>(
            () => Archives($"files = a.tar, {keys}"));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    private static TarShardOptions Archives(string keys) => Assert.IsType<DataSource.TarShards>(
        RunSpecificationReader.Read(
            Least.Replace("generated { xor {} }", $"tar-shards {{ {keys} }}"), "x.conf")
            .Data.Train.Value).Options;

    [Fact]
    public void Layers_over_images_are_read_with_their_defaults()
    {
        RunSpecification run = RunSpecificationReader.Read(
            Least.Replace(
                "model = [ { dense { units = 1 } } ]",
                """
                model = [
                  { convolution-2d { filters = 32, kernel = 3, padding = same, activation = relu } }
                  { convolution-2d {
                    filters = 8, kernel = [3, 2], stride = 2, padding = [1, 0], dilation = [1, 2]
                    groups = 4, bias = false
                  } }
                  { convolution-1d { filters = 5, kernel = 3, padding = 1, stride = 2 } }
                  { transposed-convolution-2d { filters = 4, kernel = 2, stride = 2 } }
                  { max-pooling-2d { size = 2 } }
                  { average-pooling-2d { size = 3, stride = 2, padding = same } }
                  { max-pooling-1d = 4 }
                  global-average-pooling
                  { group-normalization { groups = 4, affine = false } }
                  { upsampling-2d = [2, 3] }
                  { reshape = [4, 4, 2] }
                ]
                """, StringComparison.Ordinal),
            "images.conf");
        Assert.Equal(
            [
                new ConvolutionDefinition(2, 32, Extent.Square(3))
                {
                    Padding = Padding.Same, Activation = new ReluDefinition(),
                },
                new ConvolutionDefinition(2, 8, new Extent(3, 2))
                {
                    Stride = Extent.Square(2), Padding = Padding.Of(1, 0),
                    Dilation = new Extent(1, 2), Groups = 4, Bias = false,
                },
                new ConvolutionDefinition(1, 5, new Extent(1, 3))
                {
                    Padding = Padding.Of(0, 1), Stride = new Extent(1, 2),
                },
                new ConvolutionDefinition(2, 4, Extent.Square(2))
                {
                    IsTransposed = true, Stride = Extent.Square(2),
                },
                new PoolingDefinition(2, PoolingRule.Max, Extent.Square(2)),
                new PoolingDefinition(2, PoolingRule.Average, Extent.Square(3))
                {
                    Stride = Extent.Square(2), Padding = Padding.Same,
                },
                new PoolingDefinition(1, PoolingRule.Max, new Extent(1, 4)),
                new GlobalPoolingDefinition(PoolingRule.Average),
                new GroupNormalizationDefinition(4) { Affine = false },
                new UpsamplingDefinition(2, new Extent(2, 3)),
                new ReshapeDefinition(Shape.Of(4, 4, 2)),
            ],
            run.Layers.Select(layer => layer.Value));
    }

    [Fact]
    public void Groups_averages_mixtures_branches_and_recomputed_blocks_are_read()
    {
        RunSpecification run = RunSpecificationReader.Read(
            """
            name = options
            data { train { generated { xor {} } }, mixup { alpha = 0.2, probability = 0.5 } }
            model = [
              { branches {
                combine = add, name = wide
                branches = [ [], [ { dense { units = 2 } }, tanh ] ]
              } }
              { block { layers = [ { dense { units = 3 } } ], recompute = true } }
              { branches { branches = [ [ relu ], [ tanh ] ] } }
              { dense { units = 1, name = head } }
            ]
            loss = mean-squared-error
            optimizer { adamw {
              learning-rate = 1e-2
              groups = [
                { layers = head, learning-rate-factor = 10 }
                { layers = ["wide*", block1], weight-decay = 0 }
              ]
            } }
            averaging { stochastic { from-epoch = 2, evaluate = average } }
            epochs = 3
            """,
            "options.conf");

        Assert.Equal(new Mixup(0.2, 0.5), run.Data.Mixup!.Value);
        var added = Assert.IsType<BranchesDefinition>(run.Layers[0].Value);
        Assert.Equal((BranchCombination.Add, "wide"), (added.Combination, added.Name));
        Assert.Equal([0, 2], added.Branches.Select(branch => branch.Length));
        Assert.True(Assert.IsType<BlockDefinition>(run.Layers[1].Value).Recompute);
        Assert.Equal(
            BranchCombination.Concatenate,
            Assert.IsType<BranchesDefinition>(run.Layers[2].Value).Combination);
        UpdateRules rules = run.Rules;
        Assert.Equal(new StochasticAveraging(2) { EvaluatesEpochs = true }, rules.Averaging);
        Assert.Equal(3, rules.StateCount);
        Assert.Equal(
            ["head: 10 ", "wide* block1: 1 0"],
            rules.Groups.Select(one => FormattableString.Invariant(
                $"{string.Join(' ', one.Layers)}: {one.LearningRateFactor} {one.WeightDecay}")));
        Assert.Equal(
            new ExponentialAveraging(0.999),
            RunSpecificationReader.Read(Least + "\naveraging = exponential", "x.conf").Averaging);
    }

    [Fact]
    public void What_is_not_said_has_its_default()
    {
        RunSpecification run = RunSpecificationReader.Read(Least, "least.conf");
        Assert.Equal(0UL, run.Seed);
        Assert.Equal((32, 8), (run.BatchSize, run.MicroBatches));
        Assert.Equal(new ConstantSchedule(), run.Schedule);
        Assert.Equal(Penalty.None, run.Penalty);
        Assert.Equal(Clipping.None, run.Clipping);
        Assert.Equal(BackwardRule.ChainRule, run.Backward);
        Assert.Equal(new StopRules(StopMetric.TrainingLoss), run.Stop.Value);
        Assert.Null(run.Ensemble);
        Assert.True(run.Data.Shuffle);
        Assert.Null(run.Data.Mixup);
        Assert.Empty(run.Groups);
        Assert.Null(run.Averaging);
        Assert.Equal(CheckpointSpecification.Default, run.Checkpoint);
        Assert.Equal(WorkersSpecification.Default, run.Workers);
        Assert.Equal(ElementEncoding.Fp32, run.Transport.Gradients);
    }

    [Fact]
    public void What_gives_exactness_up_belongs_to_what_a_run_is()
    {
        RunSpecification rounded = RunSpecificationReader.Read(
            Least + "\ntransport { gradients = bf16 }", "x.conf");
        RunSpecification exact = RunSpecificationReader.Read(Least, "x.conf");
        Assert.Equal(ElementEncoding.Bf16, rounded.Transport.Gradients);
        Assert.Equal((false, true), (rounded.Digests, exact.Digests));
        Assert.Contains("transport.gradients = bf16", rounded.CanonicalText);
        Assert.NotEqual(exact.CanonicalText, rounded.CanonicalText);
        Assert.Contains("inexact", Assert.Single(ClusterRules.NotesOf(rounded)));
        Assert.Empty(ClusterRules.NotesOf(exact));
    }

    [Theory]
    [InlineData("units = 1", "unit = 1",
        "model[0].dense.unit: unknown key; did you mean 'units'?")]
    [InlineData("learning-rate = 1", "learningRate = 1", "did you mean 'learning-rate'?")]
    [InlineData("sgd {", "sdg {", "optimizer.sdg: unknown optimizer; did you mean 'sgd'?")]
    [InlineData("binary-cross-entropy", "binary-crossentropy",
        "did you mean 'binary-cross-entropy'?")]
    [InlineData("units = 1", "units = 1, activation = rleu", "did you mean 'relu'?")]
    [InlineData("epochs = 3", "", "epochs: is missing")]
    [InlineData("epochs = 3", "epochs = 0", "epochs: expected an integer, at least 1, found '0'")]
    [InlineData("epochs = 3", "epochs = 3.5", "expected an integer, at least 1, found '3.5'")]
    [InlineData("epochs = 3", "epochs = 99999999999", "expected an integer")]
    [InlineData("epochs = 3", "epochs = [3]", "expected an integer, at least 1, found an array")]
    [InlineData("learning-rate = 1", "learning-rate = -1", "expected a number above 0, found '-1'")]
    [InlineData("learning-rate = 1", "learning-rate = nan", "expected a number above 0")]
    [InlineData("learning-rate = 1", "learning-rate = 1e-60", "expected a number above 0")]
    [InlineData("sgd {", "adam { learning-rate = 1 }, sgd {",
        "optimizer: exactly one optimizer can stand here, found adam and sgd")]
    [InlineData("optimizer { sgd { learning-rate = 1 } }",
        "optimizer { sgd {}, learning-rate = 1 }", "options of 'sgd' stand inside its braces")]
    [InlineData("optimizer { sgd { learning-rate = 1 } }", "optimizer = sgd",
        "optimizer.sgd.learning-rate: is missing")]
    [InlineData("epochs = 3", "epochs = 3, micro-batches = 64",
        "micro-batches: 64 pieces cannot be cut from a batch-size of 32")]
    [InlineData("epochs = 3", "epochs = 3, stop { metric = validation-loss }",
        "data.validation is absent")]
    [InlineData("epochs = 3", "epochs = 3, stop { minimum-improvement = 1 }",
        "means nothing without 'patience'")]
    [InlineData("dense { units = 1 }", "attention { heads = 1, rotary-base = 5 }",
        "means nothing without 'rotary = true'")]
    [InlineData("epochs = 3", "epochs = 3, stop { max-time = 10 }",
        "expected a duration above 0 with its unit")]
    [InlineData("epochs = 3", "epochs = 3, seed = -1", "seed: expected an integer from 0")]
    [InlineData("name = least", "name = \"a/b\"", "expected a name of letters")]
    [InlineData("model = [ { dense { units = 1 } } ]", "model = []", "at least 1 of them")]
    [InlineData("units = 1", "units = 1, weight-init { values = [[1, 2], [3]] }",
        "row 1 has 1 numbers, but row 0 has 2")]
    [InlineData("units = 1", "units = 1, weight-init { uniform { minimum = 2, maximum = 1 } }",
        "must not be above 'maximum'")]
    [InlineData("units = 1", "units = 1, bias = false, bias-init = zeros",
        "there are no biases to start")]
    [InlineData("generated { xor {} }", "inline { features = [[1]], targets = [[1], [2]] }",
        "2 targets go with 1 samples")]
    [InlineData("generated { xor {} }", "inline { features = [[1]] }", "exactly one of 'targets'")]
    [InlineData("generated { xor {} }", "inline { features = [[1]], labels = [1], classes = [a] }",
        "at least 2 of them")]
    [InlineData("generated { xor {} }", "idx { images = [a, b], labels = c }",
        "1 files of labels go with 2 of images")]
    [InlineData("epochs = 3", "epochs = 3, workers { min = 3, max = 2 }",
        "workers.max: a run cannot wait for 3 workers and take at most 2")]
    [InlineData("epochs = 3", "epochs = 3, transport { gradients = fp16 }",
        "transport.gradients: ")]
    [InlineData("epochs = 3", "epochs = 3, digests = true, transport { gradients = bf16 }",
        "digests: with transport.gradients = bf16 a step that is computed again")]
    [InlineData("epochs = 3", "epochs = 3, transport { weights = bf16 }",
        "transport.weights: unknown key")]
    [InlineData("epochs = 3", "epochs = 3, workers { max = 5000 }",
        "workers.max: expected an integer from 1 to 4096, found '5000'")]
    [InlineData("dense { units = 1 }", "convolution-2d { filters = 4 }",
        "model[0].convolution-2d.kernel: is missing")]
    [InlineData("dense { units = 1 }", "convolution-2d { filters = 4, kernel = [3] }",
        "kernel: expected an integer, at least 1, or two of them, found an array")]
    [InlineData("dense { units = 1 }", "convolution-1d { filters = 4, kernel = [3, 3] }",
        "kernel: expected an integer, at least 1, found an array")]
    [InlineData("dense { units = 1 }", "convolution-2d { filters = 4, kernel = 3, padding = sane }",
        "padding: expected same, valid, or an integer, at least 0, or two of them, found 'sane'")]
    [InlineData("dense { units = 1 }", "convolution-2d { filters = 4, kernel = 3, padding = -1 }",
        "padding: expected an integer, at least 0")]
    [InlineData("dense { units = 1 }",
        "convolution-2d { filters = 4, kernel = 3, stride = [1, 0] }",
        "stride[1]: expected an integer, at least 1, found '0'")]
    [InlineData("dense { units = 1 }",
        "convolution-2d { filters = 4, kernel = 3, bias = false, bias-init = zeros }",
        "there are no biases to start")]
    [InlineData("dense { units = 1 }", "max-pooling-2d { size = 2, pading = 1 }",
        "unknown key; did you mean 'padding'?")]
    [InlineData("dense { units = 1 }", "reshape { shape = [100000, 100000] }",
        "shape: a shape has at most 8 dimensions")]
    [InlineData("generated { xor {} }", "idx { images = \"https://h/a.gz\", labels = b }",
        "data.train.idx.images: 'https://h/a.gz' is no URL of a file: a URL needs the SHA-256")]
    [InlineData("generated { xor {} }", "idx { images = [a, \"s3://h/a.gz\"], labels = [b, c] }",
        "data.train.idx.images[1]: 's3://h/a.gz' is no URL of a file: a file is got from an http")]
    [InlineData("generated { xor {} }", "generated { xorr {} }", "did you mean 'xor'?")]
    [InlineData("sgd { learning-rate = 1 }",
        "sgd { learning-rate = 1, groups = [ { layers = [a], weight-decay = 0 } ] }",
        "optimizer.sgd.groups: weight-decay is a key of adamw and lion")]
    [InlineData("learning-rate = 1", "learning-rate = 1, groups = [ { layers = [] } ]",
        "optimizer.sgd.groups[0].layers: expected an array of layers' names")]
    [InlineData("learning-rate = 1", "learning-rate = 1, groups = [ { layers = [\"a b\"] } ]",
        "groups[0].layers[0]: expected a layer's name")]
    [InlineData("learning-rate = 1",
        "learning-rate = 1, groups = [ { layers = a, learning-rate-factor = 0 } ]",
        "groups[0].learning-rate-factor: expected a number above 0, found '0'")]
    [InlineData("epochs = 3", "epochs = 3, averaging { exponential { decay = 1 } }",
        "averaging.exponential.decay: expected a number above 0 and below 1, found '1'")]
    [InlineData("epochs = 3", "epochs = 3, averaging = stochastic",
        "averaging.stochastic.from-epoch: is missing")]
    [InlineData("generated { xor {} }", "generated { xor {} } }, mixup { probability = 0.5 ",
        "data.mixup.alpha: is missing")]
    [InlineData("dense { units = 1 }", "branches { branches = [ [ tanh ] ] }",
        "at least 2 of them, found 1")]
    [InlineData("dense { units = 1 }", "branches { branches = [ [], [] ], combine = conct }",
        "did you mean 'concat'?")]
    public void A_mistake_is_named_with_what_would_be_right(
        string right, string wrong, string expected)
    {
        string text = Least.Replace(right, wrong, StringComparison.Ordinal);
        var refused = Assert.Throws<SpecificationException>(
            () => RunSpecificationReader.Read(text, "x.conf"));
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_mistake_is_reported_at_once_with_its_line()
    {
        const string Text = """
            nam = x
            data { train { idx { images = a } } }
            model = [ { dense { units = 0, activation = relux } }, { conv {} } ]
            loss = softmax
            optimizer { adam { learning-rate = fast } }
            epochs = many
            """;
        var refused = Assert.Throws<SpecificationException>(
            () => RunSpecificationReader.Read(Text, "x.conf"));
        Assert.Equal(
            [
                "1 nam", "1 name", "2 data.train.idx.labels", "3 model[0].dense.activation",
                "3 model[0].dense.units", "3 model[1].conv", "4 loss",
                "5 optimizer.adam.learning-rate", "6 epochs",
            ],
            refused.Errors.Select(e => $"{e.Position.Line} {e.Path}").Order());
        Assert.Contains("x.conf:1:1: nam: unknown key; did you mean 'name'?", refused.Message);
    }

    [Fact]
    public void The_canonical_text_knows_what_changes_the_result()
    {
        string before = RunSpecificationReader.Read(Least, "x.conf").CanonicalText;
        string spelt = Least.Replace("epochs = 3", "# three\nepochs : \"3\"")
            + "\ncheckpoint { keep = 9 }\nworkers { min = 2, max = 3 }";
        Assert.Equal(before, RunSpecificationReader.Read(spelt, "y.conf").CanonicalText);
        string changed = Least.Replace("learning-rate = 1", "learning-rate = 1.5e0");
        Assert.Equal(
            ["optimizer.sgd.learning-rate = 1.5"],
            RunSpecificationReader.Read(changed, "x.conf").CanonicalText.Split('\n')
                .Except(before.Split('\n')));
    }
}
