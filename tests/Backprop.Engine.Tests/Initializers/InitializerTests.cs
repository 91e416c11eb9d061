using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Randomness;

namespace Backprop.Engine.Tests.Initializers;

/// <summary>First values: their ranges and moments, and that they depend on nothing but their
/// tensor's name.</summary>
public sealed class InitializerTests
{
    private const int Inputs = 300;
    private const int Outputs = 200;

    public static TheoryData<string, double> Deviations => new()
    {
        { "xavier-uniform", Math.Sqrt(2.0 / (Inputs + Outputs)) },
        { "xavier-normal", Math.Sqrt(2.0 / (Inputs + Outputs)) },
        { "he-uniform", Math.Sqrt(2.0 / Inputs) },
        { "he-normal", Math.Sqrt(2.0 / Inputs) },
        { "lecun-uniform", Math.Sqrt(1.0 / Inputs) },
        { "lecun-normal", Math.Sqrt(1.0 / Inputs) },
        { "uniform", Math.Sqrt(1.0 / 3) },
        { "normal", 0.25 },
    };

    [Theory]
    [MemberData(nameof(Deviations))]
    public void Mean_and_deviation_are_what_the_papers_ask_for(string name, double deviation)
    {
        float[] values = Fill(Named(name), Shape.Of(Inputs, Outputs));
        double mean = values.Average(value => (double)value);
        double variance = values.Average(value => (value - mean) * (value - mean));

        // 60,000 values: four standard errors.
        Assert.InRange(mean, -0.017 * deviation, 0.017 * deviation);
        Assert.InRange(Math.Sqrt(variance) / deviation, 0.985, 1.015);
    }

    [Theory]
    [InlineData("xavier-uniform")]
    [InlineData("he-uniform")]
    [InlineData("lecun-uniform")]
    public void A_uniform_distribution_ends_at_root_three_deviations(string name)
    {
        double deviation = Deviations.Single(row => (string)row[0] == name)[1] is double d ? d : 0;
        float[] values = Fill(Named(name), Shape.Of(Inputs, Outputs));
        Assert.InRange(values.Max(Math.Abs) / (deviation * Math.Sqrt(3)), 0.999, 1.000001);
    }

    [Fact]
    public void A_normal_distribution_has_its_tails()
    {
        float[] values = Fill(new Normal(1, 2), Shape.Of(100_000));
        Assert.InRange(values.Count(value => Math.Abs(value - 1) > 2) / 1e5, 0.311, 0.324);
        Assert.InRange(values.Count(value => Math.Abs(value - 1) > 6) / 1e5, 0.0020, 0.0034);
        Assert.InRange(values.Count(value => value > 1) / 1e5, 0.493, 0.507);
    }

    [Fact]
    public void Constants_and_explicit_values_are_taken_as_they_are()
    {
        Assert.All(Fill(new Constant(0.35f), Shape.Of(5)), value => Assert.Equal(0.35f, value));
        Assert.All(Fill(Constant.Zeros, Shape.Of(5)), value => Assert.Equal(0f, value));
        Assert.Equal(
            [1f, 2f, 3f, 4f], Fill(new ExplicitValues([1f, 2f, 3f, 4f]), Shape.Of(2, 2)));
    }

    [Fact]
    public void Explicit_values_of_the_wrong_number_are_refused_before_the_run()
    {
        var dense = new DenseDefinition(2)
        {
            Name = "hidden",
            WeightInitializer = new ExplicitValues([1f, 2f, 3f]),
        };
        var error = Assert.Throws<ArgumentException>(
            () => Network.Build(Shape.Of(2), [dense]));
        Assert.Contains("'hidden.weight' is a tensor of 2x2 and takes 4 values", error.Message);
    }

    [Theory]
    [InlineData(1f, 0f)]
    [InlineData(float.NaN, 0f)]
    [InlineData(float.NegativeInfinity, 0f)]
    public void A_uniform_distribution_needs_a_range(float minimum, float maximum) =>
        Assert.Throws<ArgumentException>(
            () => new Uniform(minimum, maximum).Check("a.weight", Shape.Of(1)));

    [Theory]
    [InlineData(0f, -1f)]
    [InlineData(float.NaN, 1f)]
    public void A_normal_distribution_needs_a_deviation(float mean, float deviation) =>
        Assert.Throws<ArgumentException>(
            () => new Normal(mean, deviation).Check("a.weight", Shape.Of(1)));

    [Fact]
    public void A_tensor_draws_the_same_whatever_was_drawn_before_it()
    {
        // A tensor's values are named by its position in the layout: the size of the tensors before
        // it plays no part.
        float[] narrow = SecondWeight(hidden: 3), wide = SecondWeight(hidden: 4);
        Assert.Equal(narrow, wide[..narrow.Length]);

        static float[] SecondWeight(int hidden)
        {
            var uniform = new Uniform(-1, 1);
            var network = Network.Build(
                Shape.Of(2),
                [
                    new DenseDefinition(hidden) { WeightInitializer = uniform },
                    new DenseDefinition(2) { WeightInitializer = uniform },
                ]);
            using var weights = new AlignedBuffer(network.Layout.Length);
            network.InitializeWeights(seed: 1, weights);
            Assert.True(network.Layout.TryFind("dense2.weight", out ParameterView? view));
            return weights.Span.Slice(view.Offset, view.Length).ToArray();
        }
    }

    private static Initializer Named(string name) => name switch
    {
        "xavier-uniform" => VarianceScaling.XavierUniform,
        "xavier-normal" => VarianceScaling.XavierNormal,
        "he-uniform" => VarianceScaling.HeUniform,
        "he-normal" => VarianceScaling.HeNormal,
        "lecun-uniform" => VarianceScaling.LeCunUniform,
        "lecun-normal" => VarianceScaling.LeCunNormal,
        "uniform" => new Uniform(-1, 1),
        _ => new Normal(0, 0.25f),
    };

    private static float[] Fill(Initializer initializer, Shape shape)
    {
        var values = new float[shape.Count];
        initializer.Check("a.weight", shape);
        initializer.Fill(
            shape, fanIn: Inputs, fanOut: Outputs,
            new RandomStream(42, RandomPurpose.Initialization), values);
        return values;
    }
}
