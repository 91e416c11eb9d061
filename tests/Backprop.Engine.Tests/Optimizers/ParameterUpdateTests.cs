using System.Runtime.InteropServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Randomness;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Tests.Optimizers;

public sealed class ParameterUpdateTests
{
    private const int Steps = 3;

    private static readonly UpdateRules Rules = new(
        new AdamW { LearningRate = 0.01f, WeightDecay = 0.1 },
        new Penalty(L1: 0.001f, L2: 0.01f),
        new Clipping(ByValue: 0.4f, ByNorm: 20f))
    {
        Groups = [new ParameterGroup(["l"]) { LearningRateFactor = 0.3, WeightDecay = 0.2 }],
        Averaging = new ExponentialAveraging(0.9),
    };

    // Five blocks; tensors that share a block, fill one, and cross several borders.
    private static readonly ParameterLayout Large = Layout(
        Parameter("a", 100, ParameterRole.Weight),
        Parameter("b", 150_001, ParameterRole.Weight),
        Parameter("c", 7, ParameterRole.Bias),
        Parameter("mean", 5, ParameterRole.Statistic),
        Parameter("frozen", 46_000, ParameterRole.Weight, trainable: false),
        Parameter("d", 70_000, ParameterRole.Scale));

    private static readonly ParameterLayout Small = Layout(
        Parameter("weight", 2, ParameterRole.Weight),
        Parameter("bias", 2, ParameterRole.Bias),
        Parameter("variance", 2, ParameterRole.Statistic),
        Parameter("frozen", 2, ParameterRole.Weight, trainable: false));

    // A gradient for each step and, last, weights. Padding is filled like everything else: nothing
    // may depend on it.
    private static readonly float[][] Noise =
        [.. Enumerable.Range(0, Steps + 1).Select(step => MakeNoise((ulong)step))];

    [Fact]
    public void Slices_and_threads_change_no_bit()
    {
        byte[] expected = Train(Rules, [0, 5], threads: 1);
        foreach (int threads in (int[])[1, 2, 3])
        {
            foreach (int[] cuts in (int[][])[[0, 5], [0, 2, 3, 5], [0, 1, 2, 3, 4, 5], [0, 0, 5]])
            {
                byte[] actual = Train(Rules, cuts, threads);
                Assert.True(
                    expected.AsSpan().SequenceEqual(actual),
                    $"cut at {string.Join(", ", cuts)} on {threads} threads");
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Blocks_in_any_order_change_no_bit(int blocksAtOnce) => Assert.Equal(
        Train(Rules, [0, 5], threads: 1), Train(Rules, [0, 2, 5], threads: 2, blocksAtOnce));

    [Fact]
    public void Blocks_outside_of_the_slice_are_refused()
    {
        using var pool = new ComputePool(1);
        using var slice = new Fixture(Large, Rules, 1, 3, pool);
        foreach ((int first, int end) in ((int, int)[])[(0, 2), (2, 4), (3, 2)])
        {
            Assert.Throws<ArgumentOutOfRangeException>(() => slice.Prepare(first, end));
            Assert.Throws<ArgumentOutOfRangeException>(() => slice.Apply(first, end));
        }
    }

    [Fact]
    public void A_step_agrees_with_one_worked_by_hand()
    {
        var rules = new UpdateRules(
            new Sgd { LearningRate = 0.5f }, new Penalty(L1: 0.25f, L2: 0.5f),
            new Clipping(ByValue: 3f, ByNorm: 2.5f));
        using var fixture = new Fixture(Small, rules);
        fixture.Set("weight", weights: [2f, -4f], gradient: [1.75f, 9f]);
        fixture.Set("bias", weights: [1f, 1f], gradient: [-4f, 0f]);
        fixture.Set("variance", weights: [1f, 2f], gradient: [6f, 60f]);
        fixture.Set("frozen", weights: [5f, -6f], gradient: [7f, float.NaN]);

        PieceSums[] sums = fixture.Prepare();

        // 1.75 + 0.5·2 + 0.25 = 3; 9 − 2 − 0.25 = 6.75 is clamped to 3; biases are not penalized.
        Assert.Equal([3f, 3f], fixture.Gradient("weight"));
        Assert.Equal([-3f, 0f], fixture.Gradient("bias"));
        Assert.Equal([6f, 60f], fixture.Gradient("variance"));
        Assert.Equal([0f, 0f], fixture.Gradient("frozen"));
        Assert.Null(fixture.Norms.FindNonFinite(sums));
        double norm = fixture.Norms.GradientNorm(sums);
        Assert.Equal(Math.Sqrt(27), norm);

        // 0.25·(2 + 4) + ½·0.5·(4 + 16)
        Assert.Equal(6.5, fixture.Norms.PenaltyValue(rules.Penalty, sums), 1e-6);
        Assert.Equal(Math.Sqrt(18), fixture.Norms.GradientNorm(0, sums));
        Assert.Equal(Math.Sqrt(20), fixture.Norms.WeightNorm(0, sums));
        Assert.Equal(Math.Sqrt(61), fixture.Norms.WeightNorm(3, sums));

        float scale = rules.Clipping.ScaleFor(norm);
        Assert.Equal(2.5 / Math.Sqrt(27), scale, 1e-6);
        fixture.Apply(new UpdateStep(0, 0.5f, scale, MicroBatches: 3));

        Assert.Equal(2 - 0.5 * scale * 3, fixture.New("weight")[0], 1e-6);
        Assert.Equal(-4 - 0.5 * scale * 3, fixture.New("weight")[1], 1e-6);
        Assert.Equal(1 + 0.5 * scale * 3, fixture.New("bias")[0], 1e-6);
        Assert.Equal(1f, fixture.New("bias")[1]);

        // Momentum 0.75: a quarter of the way to 6 / 3, and to 60 / 3.
        Assert.Equal([1.25f, 6.5f], fixture.New("variance"));
        Assert.Equal([5f, -6f], fixture.New("frozen"));
    }

    [Fact]
    public void Decoupled_decay_touches_weights_alone()
    {
        var rules = new UpdateRules(
            new AdamW { LearningRate = 0.5f, WeightDecay = 0.5 }, Penalty.None, Clipping.None);
        using var fixture = new Fixture(Small, rules);
        fixture.Set("weight", weights: [2f, -4f], gradient: [0f, 0f]);
        fixture.Set("bias", weights: [1f, 1f], gradient: [0f, 0f]);
        fixture.Set("frozen", weights: [5f, -6f], gradient: [0f, 0f]);
        fixture.Prepare();
        fixture.Apply(new UpdateStep(0, 0.5f, 1f, MicroBatches: 1));
        Assert.Equal([1.5f, -3f], fixture.New("weight"));
        Assert.Equal([1f, 1f], fixture.New("bias"));
        Assert.Equal([5f, -6f], fixture.New("frozen"));
    }

    [Fact]
    public void An_average_passes_over_weights_that_are_not_finite()
    {
        var rules = new UpdateRules(new Sgd { LearningRate = 1 }, Penalty.None, Clipping.None)
        {
            Averaging = new ExponentialAveraging(0.75),
        };
        using var fixture = new Fixture(Small, rules);
        fixture.Set("weight", weights: [1f, 1f], gradient: [0f, 0f]);
        fixture.Set("variance", weights: [3f, 5f], gradient: [3f, 5f]);
        fixture.Apply(new UpdateStep(0, 1f, 1f, 1, rules.Averaging.ShareOf(0, 10)));
        fixture.Commit();
        fixture.Set("weight", weights: [1f, 1f], gradient: [-4f, -float.MaxValue]);
        fixture.Set("variance", weights: [3f, 5f], gradient: [7f, 5f]);

        // 1 + 4 = 5, and a step too large for a float.
        fixture.Apply(new UpdateStep(1, 2f, 2f, 1, 0.25));

        Assert.Equal([17f, float.PositiveInfinity], fixture.New("weight"));
        Assert.Equal([5f, 1f], fixture.Average("weight"));

        // The statistic went a quarter of the way from 3 to 7, and its average a quarter after it.
        Assert.Equal([3.25f, 5f], fixture.Average("variance"));
        Assert.Equal([0f, 0f], fixture.Average("frozen"));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NegativeInfinity)]
    public void What_is_not_finite_is_named_even_where_it_would_be_clamped(float value)
    {
        foreach (string name in (string[])["l.bias", "l.variance"])
        {
            using var fixture = new Fixture(Small, Rules);
            fixture.Set(name[2..], weights: [0f, 0f], gradient: [0f, value]);
            Assert.Equal(name, fixture.Norms.FindNonFinite(fixture.Prepare())?.Name);
        }
    }

    [Fact]
    public void The_largest_floats_are_finite_and_have_a_norm()
    {
        using var fixture = new Fixture(
            Small, new UpdateRules(new Sgd { LearningRate = 1 }, Penalty.None, Clipping.None));
        fixture.Set("weight", weights: [0f, 0f], gradient: [float.MaxValue, float.MaxValue]);
        PieceSums[] sums = fixture.Prepare();
        Assert.Null(fixture.Norms.FindNonFinite(sums));
        Assert.Equal(float.MaxValue * Math.Sqrt(2), fixture.Norms.GradientNorm(sums), 1e25);
    }

    [Fact]
    public void Norms_agree_with_a_plain_sum()
    {
        using var fixture = new Fixture(
            Large, Rules with { Penalty = Penalty.None, Clipping = Clipping.None });
        fixture.Fill(Noise[0]);
        double all = 0, ofB = 0;
        foreach (ParameterView view in Large.Views.Where(v => v.Declaration.IsOptimized))
        {
            double squares = fixture.Gradient(view).Sum(g => (double)g * g);
            all += squares;
            ofB = view.Name == "l.b" ? squares : ofB;
        }

        PieceSums[] sums = fixture.Prepare();
        Assert.Equal(Math.Sqrt(all), fixture.Norms.GradientNorm(sums), 1e-9);
        Assert.Equal(Math.Sqrt(ofB), fixture.Norms.GradientNorm(1, sums), 1e-9);
    }

    [Fact]
    public void An_update_allocates_nothing()
    {
        using var fixture = new Fixture(Large, Rules);
        PieceSums[] sums = fixture.Prepare();
        int step = 0;
        Assert.Equal(0, Allocations.OfSteadyState(() =>
        {
            fixture.Prepare(sums);
            double norm = fixture.Norms.GradientNorm(sums);
            _ = fixture.Norms.FindNonFinite(sums);
            _ = fixture.Norms.PenaltyValue(Rules.Penalty, sums);
            _ = fixture.Norms.GradientNorm(1, sums);
            double? share = Rules.Averaging!.ShareOf(step, 100);
            fixture.Apply(
                new UpdateStep(step++, 0.01f, Rules.Clipping.ScaleFor(norm), 2, share));
        }));
    }

    [Fact]
    public void A_statistic_without_momentum_is_refused()
    {
        var layout = Layout(new ParameterDeclaration(
            "mean", Shape.Of(2), ParameterRole.Statistic, Constant.Zeros));
        using var pool = new ComputePool(1);
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => new ParameterUpdate(layout, 0, 1, Rules, pool));
        Assert.Contains("l.mean", error.Message);
    }

    [Fact]
    public void Buffers_of_another_length_are_refused()
    {
        using var fixture = new Fixture(Small, Rules);
        using var wrong = new AlignedBuffer(Small.Length - 1);
        Assert.Throws<ArgumentOutOfRangeException>(
            () => fixture.Update.Prepare(wrong, false, wrong, new PieceSums[4]));
    }

    // Weights and state after some steps, put together from the slices.
    private static byte[] Train(
        UpdateRules rules, int[] cuts, int threads, int blocksAtOnce = int.MaxValue)
    {
        using var pool = new ComputePool(threads);
        Fixture[] slices = [.. cuts.Zip(cuts.Skip(1), (first, end) =>
            new Fixture(Large, rules, first, end, pool) { BlocksAtOnce = blocksAtOnce })];
        var norms = new ParameterNorms(Large);
        foreach (Fixture slice in slices)
        {
            slice.Fill(Noise[Steps]);
            slice.SwapWeightsAndGradient();
        }

        for (int step = 0; step < Steps; step++)
        {
            foreach (Fixture slice in slices)
            {
                slice.Fill(Noise[step]);
            }

            PieceSums[] sums = [.. slices.SelectMany(slice => slice.Prepare())];
            double norm = norms.GradientNorm(sums);
            float scale = rules.Clipping.ScaleFor(norm);
            Assert.True(scale < 1, $"the gradient's norm, {norm}, is not clipped");
            foreach (Fixture slice in slices)
            {
                slice.Apply(new UpdateStep(
                    step, 0.01f, scale, 4, rules.Averaging?.ShareOf(step, 100)));
                slice.Commit();
            }
        }

        float[] result =
        [
            .. slices.SelectMany(slice => slice.Weights.Span.ToArray()),
            .. Enumerable.Range(0, rules.StateCount).SelectMany(state => slices.SelectMany(
                slice => slice.State.Span
                    .Slice(state * slice.Update.Length, slice.Update.Length).ToArray())),
        ];
        Array.ForEach(slices, slice => slice.Dispose());
        return MemoryMarshal.AsBytes(result.AsSpan()).ToArray();
    }

    private static float[] MakeNoise(ulong step)
    {
        var random = new RandomStream(11, RandomPurpose.Generation);
        var noise = new float[Large.Length];
        for (int i = 0; i < noise.Length; i++)
        {
            noise[i] = random.Uniform(step, (ulong)i) - 0.5f;
        }

        return noise;
    }

    private static ParameterDeclaration Parameter(
        string name, int count, ParameterRole role, bool trainable = true) =>
        new(name, Shape.Of(count), role, Constant.Zeros, trainable,
            role == ParameterRole.Statistic ? 0.75 : null);

    private static ParameterLayout Layout(params ParameterDeclaration[] parameters) =>
        new(parameters.Select(parameter => ("l", 0, parameter)));

    // A slice with its buffers.
    private sealed class Fixture : IDisposable
    {
        private readonly ParameterLayout _layout;
        private readonly ComputePool? _owned;
        private AlignedBuffer _weights, _gradient;
        private readonly AlignedBuffer _newWeights;

        public Fixture(ParameterLayout layout, UpdateRules rules)
            : this(layout, rules, 0, layout.BlockCount, new ComputePool(2)) =>
            _owned = Pool;

        public Fixture(
            ParameterLayout layout, UpdateRules rules, int first, int end, ComputePool pool)
        {
            _layout = layout;
            Pool = pool;
            Update = new ParameterUpdate(layout, first, end, rules, pool);
            Norms = new ParameterNorms(layout);
            _weights = new AlignedBuffer(Update.Length);
            _gradient = new AlignedBuffer(Update.Length);
            _newWeights = new AlignedBuffer(Update.Length);
            State = new AlignedBuffer(Update.StateLength);
        }

        public ComputePool Pool { get; }

        public ParameterUpdate Update { get; }

        public ParameterNorms Norms { get; }

        public AlignedBuffer State { get; }

        /// <summary>How many are worked on at once, the last ones first.</summary>
        public int BlocksAtOnce { get; init; } = int.MaxValue;

        public AlignedBuffer Weights => _weights;

        public void Set(string name, float[] weights, float[] gradient)
        {
            ParameterView view = View(name);
            weights.CopyTo(_weights.Span[view.Offset..]);
            gradient.CopyTo(_gradient.Span[view.Offset..]);
        }

        public float[] Gradient(string name) => Gradient(View(name));

        public float[] Gradient(ParameterView view) =>
            _gradient.Span.Slice(view.Offset, view.Length).ToArray();

        public float[] New(string name) =>
            _newWeights.Span.Slice(View(name).Offset, View(name).Length).ToArray();

        public float[] Average(string name) => State.Span
            .Slice(State.Length - Update.Length + View(name).Offset, View(name).Length).ToArray();

        public void Fill(float[] noise) =>
            noise.AsSpan(Update.Offset, Update.Length).CopyTo(_gradient.Span);

        public void SwapWeightsAndGradient() => (_weights, _gradient) = (_gradient, _weights);

        public PieceSums[] Prepare()
        {
            var sums = new PieceSums[Update.PieceCount];
            Prepare(sums);
            return sums;
        }

        public void Prepare(PieceSums[] sums)
        {
            if (BlocksAtOnce == int.MaxValue)
            {
                Update.Prepare(_weights, measureWeights: true, _gradient, sums);
                return;
            }

            foreach ((int first, int end) in Runs())
            {
                Update.PrepareBlocks(first, end, _weights, measureWeights: true, _gradient, sums);
            }
        }

        public void Prepare(int first, int end) => Update.PrepareBlocks(
            first, end, _weights, measureWeights: true, _gradient,
            new PieceSums[Update.PieceCount]);

        public void Apply(in UpdateStep step)
        {
            if (BlocksAtOnce == int.MaxValue)
            {
                Update.Apply(step, _gradient, _weights, State, _newWeights);
                return;
            }

            foreach ((int first, int end) in Runs())
            {
                Update.ApplyBlocks(
                    step, first, end, _gradient, _weights, State, _newWeights, listener: null);
            }
        }

        public void Apply(int first, int end) => Update.ApplyBlocks(
            new UpdateStep(0, 0.1f, 1, 1), first, end, _gradient, _weights, State, _newWeights,
            listener: null);

        private IEnumerable<(int First, int End)> Runs() =>
            Enumerable.Range(Update.FirstBlock, Update.EndBlock - Update.FirstBlock)
                .Chunk(BlocksAtOnce)
                .Reverse()
                .Select(run => (run[0], run[^1] + 1));

        public void Commit() => _newWeights.Span.CopyTo(_weights.Span);

        public void Dispose()
        {
            _owned?.Dispose();
            _weights.Dispose();
            _gradient.Dispose();
            _newWeights.Dispose();
            State.Dispose();
        }

        private ParameterView View(string name) => _layout.Views.Single(v => v.Name == $"l.{name}");
    }
}
