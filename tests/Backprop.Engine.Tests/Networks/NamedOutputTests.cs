using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Engine.Gradients;
using Backprop.Engine.Layers;
using Backprop.Engine.Losses;
using Backprop.Engine.Networks;
using Backprop.Engine.Tests.Fixtures;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Networks;

/// <summary>Networks of several named inputs and outputs, judged by the weighted sum of their
/// losses: against PyTorch in double precision, and the same bits however rows and threads are
/// shared.</summary>
public sealed class NamedOutputTests
{
    private const double SingleTolerance = 2e-6;
    private const double DoubleTolerance = 1e-12;
    private const double CheckTolerance = 2e-4;

    private static readonly JsonElement File = Fixture.Load("outputs.json");

    public static TheoryData<int, string> Cases =>
        File.Cases(test => test.GetProperty("name").GetString()!);

    [Theory]
    [MemberData(nameof(Cases))]
    public void Outputs_losses_and_gradients_are_PyTorchs(int index, string name)
    {
        using var test = new Case(File.GetProperty("cases")[index], name);
        double[][] losses = [.. test.Json.GetProperty("losses").EnumerateArray()
            .Select(Fixture.Doubles)];
        float[] weights = test.Json.GetProperty("weights").Floats();
        double[] wanted =
        [
            .. Enumerable.Range(0, test.Batch.Rows)
                .Select(row => losses.Select((own, i) => weights[i] * own[row]).Sum()),
        ];

        using var executor = test.NewExecutor(test.Batch.Rows, 1);
        var outputs = new float[test.Batch.Rows * test.Network.OutputShape.Count];
        var rowLosses = new float[test.Batch.Rows * (1 + losses.Length)];
        executor.Evaluate(test.Batch, outputs, rowLosses);
        AssertClose(test.Json.GetProperty("outputs").Doubles(), outputs, "outputs");
        AssertClose([.. wanted, .. losses.SelectMany(own => own)], rowLosses, "losses");

        (float[] gradient, double lossSum) = test.Compute(microBatches: 1, threads: 1);
        Assert.Equal(wanted.Sum(), lossSum, wanted.Sum() * SingleTolerance);
        foreach (JsonProperty parameter in test.Json.GetProperty("gradients").EnumerateObject())
        {
            Assert.True(test.Network.Layout.TryFind(parameter.Name, out ParameterView? view));
            AssertClose(
                parameter.Value.Doubles(), gradient.AsSpan(view.Offset, view.Length),
                parameter.Name);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_definition_is_PyTorchs_and_gradients_pass_central_differences(
        int index, string name)
    {
        using var test = new Case(File.GetProperty("cases")[index], name);
        double[] means = [.. test.Json.GetProperty("losses").EnumerateArray()
            .Select(own => own.Doubles().Average())];
        float[] weights = test.Json.GetProperty("weights").Floats();
        var work = new StepWork(0, 0, new MicroBatches(test.Batch.Rows, 2));
        double loss = new ReferenceNetwork(
            test.Network, test.Loss, test.Weights, test.Batch, work).ComputeLoss();
        Assert.Equal(weights.Zip(means, (w, own) => w * own).Sum(), loss, DoubleTolerance);

        using var pool = new ComputePool(2);
        foreach (TensorGradientCheck tensor in GradientCheck.Run(
            test.Network, test.Loss, test.Weights, test.Batch, work, null, pool))
        {
            Assert.True(tensor.MaxRelativeError < CheckTolerance, $"{tensor}");
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Threads_and_shares_of_the_rows_change_no_bit(int index, string name)
    {
        const int MicroBatches = 4;
        using var test = new Case(File.GetProperty("cases")[index], name);
        (float[] expected, double lossSum) = test.Compute(MicroBatches, threads: 1);
        (float[] threaded, double threadedSum) = test.Compute(MicroBatches, threads: 3);
        Assert.Equal(expected, threaded);
        Assert.Equal(lossSum, threadedSum);

        // Each half by itself is a node of the tree below the root.
        (float[] left, double leftSum) = test.Compute(MicroBatches, 2, first: 0, end: 2);
        (float[] right, double rightSum) = test.Compute(MicroBatches, 1, first: 2, end: 4);
        Assert.Equal(expected, left.Zip(right, (a, b) => a + b));
        Assert.Equal(lossSum, leftSum + rightSum);
    }

    [Fact]
    public void A_name_alone_changes_no_bit()
    {
        ImmutableArray<LayerDefinition> layers =
            [new DenseDefinition(4) { Name = "hidden" }, new TanhDefinition()];
        var head = new DenseDefinition(3) { Name = "own" };
        var named = Network.Build(
            Shape.Of(5), [.. layers, new OutputDefinition([head]) { Name = "digit" }]);
        var plain = Network.Build(Shape.Of(5), [.. layers, head]);
        Assert.Equal("digit", Assert.Single(named.Outputs).Name);
        Assert.Equal(Gradient(plain), Gradient(named));
    }

    [Fact]
    public void Two_losses_of_one_output_add_up()
    {
        var dense = new DenseDefinition(3) { Name = "own", Activation = new TanhDefinition() };
        var twice = Network.Build(
            Shape.Of(5),
            [
                dense, new OutputDefinition([]) { Name = "one" },
                new OutputDefinition([]) { Name = "other" },
            ]);
        float[] once = Gradient(Network.Build(Shape.Of(5), [dense]));
        float[] both = Gradient(twice, new LossSum(
            new LossTerm(new SoftmaxCrossEntropy()), new LossTerm(new SoftmaxCrossEntropy(), 3)));
        for (int i = 0; i < once.Length; i++)
        {
            Assert.Equal(4 * once[i], both[i], SingleTolerance);
        }
    }

    [Fact]
    public void Mistakes_are_told_by_name()
    {
        var dense = new DenseDefinition(2);
        var output = new OutputDefinition([dense]) { Name = "digit" };
        NetworkInput picture = NetworkInput.OfRange("picture", 0, Shape.Of(2, 2));
        AssertRefused("layer 'dense1' leads to no output", [output, dense]);
        AssertRefused("two outputs are named 'digit'", [
            output, new BlockDefinition([output])]);
        AssertRefused("an output has a name", [new OutputDefinition([dense])]);
        AssertRefused("computes nothing of that shape", [
            new OutputDefinition([]) { Name = "digit" }]);
        AssertRefused("stands within a block that is recomputed", [
            new BlockDefinition([dense, output, dense]) { Recompute = true },
            new OutputDefinition([]) { Name = "end" }]);
        AssertRefused("no layer reads the input 'picture'", [
            new InputDefinition("rest"), dense], picture, picture with { Name = "rest" });
        AssertRefused("reads the whole sample, and inputs are named", [
            new BranchesDefinition(
                [[dense], [new InputDefinition("picture"), new FlattenDefinition()]],
                BranchCombination.Concatenate)], picture);
        AssertRefused("reads the input 'sound', which is not there: there are picture", [
            new InputDefinition("sound")], picture);
        AssertRefused("reads feature 6, and samples have features 0 to 5", [
            new InputDefinition("picture"), dense], picture with { Features = [0, 1, 2, 6] });

        var two = Network.Build(Shape.Of(6), [
            output, new OutputDefinition([dense]) { Name = "other" }]);
        using var pool = new ComputePool(1);
        Assert.Contains(
            "1 losses for a network of 2 outputs",
            Assert.Throws<ArgumentException>(() => new NetworkExecutor(
                two, new MeanSquaredError(), 1, 1, pool)).Message);
        Assert.Throws<ArgumentException>(
            () => new LossSum(new LossTerm(new MeanSquaredError(), 0)));
    }

    private static void AssertRefused(
        string message, LayerDefinition[] layers, params ImmutableArray<NetworkInput> inputs) =>
        Assert.Contains(
            message,
            Assert.Throws<ArgumentException>(
                () => Network.Build(Shape.Of(6), layers, inputs: inputs)).Message);

    private static float[] Gradient(Network network, LossSum? sum = null)
    {
        const int Rows = 3;
        LossSum loss = sum ?? new SoftmaxCrossEntropy();
        using var weights = new AlignedBuffer(network.Layout.Length);
        network.InitializeWeights(3, weights);
        using var batch = new Batch(Rows, 5, loss.TargetWidth(network)) { Rows = Rows };
        for (int i = 0; i < Rows * 5; i++)
        {
            batch.Features.Span[i] = (i % 7) - 3;
        }

        using var pool = new ComputePool(1);
        using var executor = new NetworkExecutor(network, loss, Rows, 2, pool);
        executor.UseWeights(weights);
        using var gradients = new GradientSet(network.Layout, 0, 2, 2);
        executor.ComputeGradients(
            batch, new StepWork(0, 0, new MicroBatches(Rows, 2)), gradients, null);
        return gradients.Gradient(0).Span.ToArray();
    }

    private static void AssertClose(
        double[] wanted, ReadOnlySpan<float> values, string what)
    {
        Assert.Equal(wanted.Length, values.Length);
        double largest = Math.Max(1, wanted.Max(Math.Abs));
        for (int i = 0; i < values.Length; i++)
        {
            Assert.True(
                Math.Abs(wanted[i] - values[i]) <= SingleTolerance * largest,
                $"{what}[{i}]: {values[i]} is not {wanted[i]}");
        }
    }

    private static Network NetworkOf(string name) => name switch
    {
        "towers" => Network.Build(
            Shape.Of(19),
            [
                new BranchesDefinition(
                    [
                        [
                            new InputDefinition("image"),
                            new ConvolutionDefinition(2, 3, Extent.Square(3)),
                            new TanhDefinition(), new FlattenDefinition(),
                        ],
                        [
                            new InputDefinition("few"), new DenseDefinition(4),
                            new TanhDefinition(),
                        ],
                    ],
                    BranchCombination.Concatenate) { Name = "towers" },
                new DenseDefinition(6) { Name = "trunk", Activation = new TanhDefinition() },
                Head("aux", 3),
                new DenseDefinition(5) { Name = "deep", Activation = new SigmoidDefinition() },
                Head("digit", 3), Head("slant", 2),
            ],
            inputs:
            [
                NetworkInput.OfRange("image", 0, Shape.Of(4, 4, 1)),
                new NetworkInput("few", [16, 18, 17], Shape.Of(3)),
            ]),
        "sequences" => Network.Build(
            Shape.Of(3),
            [
                new EmbeddingDefinition(6, 4),
                new DenseDefinition(4) { Name = "mix", Activation = new TanhDefinition() },
                new OutputDefinition([]) { Name = "mixed" },
                Head("next", 6),
                new OutputDefinition(
                    [new PositionPoolingDefinition(PoolingKind.Mean), new DenseDefinition(2)])
                {
                    Name = "kind",
                },
            ]),
        _ => throw new ArgumentException($"no case is called '{name}'"),
    };

    private static OutputDefinition Head(string name, int units) =>
        new([new DenseDefinition(units)]) { Name = name };

    private static Loss[] LossesOf(string name) => name == "towers"
        ? [new SoftmaxCrossEntropy(), new SoftmaxCrossEntropy(0.125f), new Huber(1)]
        :
        [
            new MeanSquaredError(), new SoftmaxCrossEntropy(paddingClass: 0),
            new SoftmaxCrossEntropy(),
        ];

    /// <summary>A case of the fixture, with its weights and rows.</summary>
    private sealed class Case : IDisposable
    {
        private readonly ComputePool _pool = new(1);

        public Case(JsonElement json, string name)
        {
            Json = json;
            Network = NetworkOf(name);
            Loss = new LossSum([
                .. LossesOf(name).Zip(
                    json.GetProperty("weights").Floats(),
                    (loss, weight) => new LossTerm(loss, weight))]);
            Weights = new AlignedBuffer(Network.Layout.Length);
            foreach (JsonProperty parameter in json.GetProperty("parameters").EnumerateObject())
            {
                Assert.True(Network.Layout.TryFind(parameter.Name, out ParameterView? view));
                parameter.Value.Floats().CopyTo(Weights.Span[view.Offset..]);
            }

            int rows = json.GetProperty("features").GetArrayLength();
            Batch = new Batch(rows, Network.InputShape.Count, Loss.TargetWidth(Network))
            {
                Rows = rows,
            };
            json.GetProperty("features").Floats().CopyTo(Batch.Features.Span);
            json.GetProperty("targets").Floats().CopyTo(Batch.Targets.Span);
        }

        public JsonElement Json { get; }

        public Network Network { get; }

        public LossSum Loss { get; }

        public AlignedBuffer Weights { get; }

        public Batch Batch { get; }

        public NetworkExecutor NewExecutor(int rows, int microBatches, ComputePool? pool = null)
        {
            var executor = new NetworkExecutor(Network, Loss, rows, microBatches, pool ?? _pool);
            executor.UseWeights(Weights);
            return executor;
        }

        /// <summary>The gradient of micro-batches [first, end), and their loss sum.</summary>
        public (float[] Gradient, double LossSum) Compute(
            int microBatches, int threads, int first = 0, int? end = null)
        {
            var cut = new MicroBatches(Batch.Rows, microBatches);
            int last = end ?? microBatches, start = cut.Start(first);
            int rows = cut.Start(last) - start;
            using var part = new Batch(rows, Batch.FeatureWidth, Batch.TargetWidth)
            {
                Rows = rows,
            };
            Batch.Features.Span.Slice(start * part.FeatureWidth, rows * part.FeatureWidth)
                .CopyTo(part.Features.Span);
            Batch.Targets.Span.Slice(start * part.TargetWidth, rows * part.TargetWidth)
                .CopyTo(part.Targets.Span);
            using var pool = new ComputePool(threads);
            using NetworkExecutor executor = NewExecutor(rows, last - first, pool);
            using var gradients = new GradientSet(Network.Layout, first, last, microBatches);
            executor.ComputeGradients(part, new StepWork(0, 0, cut), gradients, null);
            return (gradients.Gradient(0).Span.ToArray(), gradients.LossSum(0));
        }

        public void Dispose()
        {
            Weights.Dispose();
            Batch.Dispose();
            _pool.Dispose();
        }
    }
}
