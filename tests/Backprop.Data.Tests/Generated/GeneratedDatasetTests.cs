using System.Collections.Immutable;
using Backprop.Data.Generated;

namespace Backprop.Data.Tests.Generated;

public sealed class GeneratedDatasetTests
{
    [Fact]
    public void XorIsOneWhereTheInputsDiffer()
    {
        using InMemoryDataset xor = GeneratedDataset.Of(new GeneratedOptions.Xor());
        Assert.Equal(4, xor.Count);
        for (int i = 0; i < 4; i++)
        {
            float[] inputs = xor.Features(i);
            Assert.Equal(inputs[0] == inputs[1] ? 0 : 1, xor.Label(i));
        }

        Assert.Equal(4, Enumerable.Range(0, 4)
            .Select(i => (xor.Features(i)[0], xor.Features(i)[1])).Distinct().Count());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void ATeachersTargetsAreWhatASigmoidNetworkOfItsWeightsComputes(bool bias)
    {
        var options = new GeneratedOptions.Teacher(50, 3, [4, 5, 2], 7) { Bias = bias };
        using InMemoryDataset dataset = GeneratedDataset.Of(options);
        ImmutableArray<ImmutableArray<double>> weights = new TeacherNetwork(options).Weights;
        Assert.Equal(bias ? [16, 25, 12] : [12, 20, 10], weights.Select(w => w.Length));
        for (int sample = 0; sample < 50; sample++)
        {
            double[] values = [.. dataset.Features(sample).Select(x => (double)x)];
            Assert.All(values, x => Assert.InRange(x, -1, 1));
            foreach (ImmutableArray<double> layer in weights)
            {
                double[] inputs = bias ? [.. values, 1] : values;
                int neurons = layer.Length / inputs.Length;
                values =
                [
                    .. Enumerable.Range(0, neurons).Select(neuron => 1 / (1 + Math.Exp(
                        -inputs.Select((x, i) => x * layer[(i * neurons) + neuron]).Sum()))),
                ];
            }

            float[] targets = dataset.Targets(sample);
            Assert.Equal(values[0], targets[0], 1e-7);
            Assert.Equal(values[1], targets[1], 1e-7);
        }
    }

    [Fact]
    public void TeachersOfDifferentSeedsDiffer()
    {
        var options = new GeneratedOptions.Teacher(10, 3, [4, 1], 7);
        using InMemoryDataset first = GeneratedDataset.Of(options);
        using InMemoryDataset again = GeneratedDataset.Of(options);
        using InMemoryDataset other = GeneratedDataset.Of(options with { Seed = 8 });
        Assert.Equal(first.Features(9), again.Features(9));
        Assert.Equal(first.Targets(9), again.Targets(9));
        Assert.NotEqual(first.Features(9), other.Features(9));
        Assert.NotEqual(
            new TeacherNetwork(options).Weights[0].ToArray(),
            new TeacherNetwork(options with { Seed = 8 }).Weights[0].ToArray());
    }

    [Fact]
    public void WithoutNoiseMoonsLieOnTheirHalfCircles()
    {
        using InMemoryDataset moons = GeneratedDataset.Of(new GeneratedOptions.TwoMoons(200, 0, 1));
        for (int i = 0; i < 200; i++)
        {
            float[] point = moons.Features(i);
            bool isFirst = moons.Label(i) == 0;
            double x = point[0] - (isFirst ? 0 : 1), y = point[1] - (isFirst ? 0 : 0.5);
            Assert.Equal(1, Math.Sqrt((x * x) + (y * y)), 1e-6);
            Assert.True(isFirst ? y >= -1e-6 : y <= 1e-6);
            Assert.Equal(i % 2, moons.Label(i));
        }
    }

    [Fact]
    public void NoiseHasTheDeviationAskedFor()
    {
        const int Count = 20_000;
        using InMemoryDataset clean =
            GeneratedDataset.Of(new GeneratedOptions.TwoMoons(Count, 0, 1));
        using InMemoryDataset noisy =
            GeneratedDataset.Of(new GeneratedOptions.TwoMoons(Count, 0.2, 1));
        double[] noise =
        [
            .. Enumerable.Range(0, Count).SelectMany(i => noisy.Features(i)
                .Zip(clean.Features(i), (dirty, pure) => (double)dirty - pure)),
        ];
        Assert.Equal(0, noise.Average(), 5 * 0.2 / Math.Sqrt(2 * Count));
        Assert.Equal(0.2, Math.Sqrt(noise.Average(e => e * e)), 0.005);
    }

    [Fact]
    public void WithoutNoiseSpiralsWindAsOftenAsAsked()
    {
        using InMemoryDataset spirals = GeneratedDataset.Of(
            new GeneratedOptions.Spirals(300, 0, 5) { Arms = 3, Turns = 1.5 });
        for (int i = 0; i < 300; i++)
        {
            float[] point = spirals.Features(i);
            double radius = Math.Sqrt((point[0] * point[0]) + (point[1] * point[1]));
            double turn = Math.Atan2(point[1], point[0]) / (2 * Math.PI);
            double expected = (1.5 * radius) + (spirals.Label(i) / 3);
            double difference = turn - expected;
            Assert.Equal(0, difference - Math.Round(difference), 1e-4);
            Assert.InRange(radius, 0, 1 + 1e-6);
        }

        Assert.Equal(["0", "1", "2"], spirals.Classes());
    }

    [Fact]
    public void OptionsOutOfRangeAreRefusedByName()
    {
        AssertRefused("Samples", new GeneratedOptions.TwoMoons(0, 0.1, 1));
        AssertRefused("Noise", new GeneratedOptions.Spirals(10, double.NaN, 1));
        AssertRefused("Layers", new GeneratedOptions.Teacher(10, 2, [], 1));
        AssertRefused("Arms", new GeneratedOptions.Spirals(10, 0, 1) { Arms = 0 });
    }

    private static void AssertRefused(string name, GeneratedOptions options) =>
        Assert.Equal(
            name,
            Assert.Throws<ArgumentOutOfRangeException>(() => GeneratedDataset.Of(options))
                .ParamName);
}
