using Backprop.Engine.Randomness;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Randomness;

/// <summary>The statistics are of fixed seeds: they pass or fail for good.</summary>
public unsafe class RandomStreamTests
{
    private const ulong Seed = 2026;
    private const int Draws = 200_000;

    [Fact]
    public void EveryPartOfANameMakesAnotherStream()
    {
        RandomStream[] streams =
        [
            new(Seed, RandomPurpose.Dropout), new(Seed + 1, RandomPurpose.Dropout),
            new(Seed + (1UL << 32), RandomPurpose.Dropout), new(Seed, RandomPurpose.Split),
            new(Seed, RandomPurpose.Dropout, 1), new(Seed, RandomPurpose.Dropout, 0, 1),
            new(Seed, RandomPurpose.Dropout, 0, 1UL << 32),
        ];
        (ulong Item, ulong Element)[] names =
            [(0, 0), (0, 1), (0, 4), (1, 0), (1UL << 32, 0), (0, 1UL << 34)];
        var words = from stream in streams
                    from name in names
                    select stream.Word(name.Item, name.Element);
        Assert.Equal(streams.Length * names.Length, words.Distinct().Count());
    }

    [Fact]
    public void ElementsAreTheWordsOfTheirBlocks()
    {
        var stream = new RandomStream(Seed, RandomPurpose.Generation);
        (uint x, uint y, uint z, uint w) = stream.Block(7, 3);
        Assert.Equal([x, y, z, w], Enumerable.Range(12, 4).Select(i => stream.Word(7, (ulong)i)));
    }

    /// <summary>Checkpoints and generated data sets name values, so the values may never change.
    /// </summary>
    [Fact]
    public void ValuesAreFrozen()
    {
        var stream = new RandomStream(42, RandomPurpose.Initialization, 3, 5);
        Assert.Equal(
            [2449090568u, 679827232u, 922240074u, 2036737376u],
            Enumerable.Range(0, 4).Select(i => stream.Word(9, (ulong)i)));
        Assert.Equal(0.888756424803487, stream.Normal(9, 1), 1e-15);
    }

    [Fact]
    public void UniformValuesLieBelowOne()
    {
        Assert.Equal(0, RandomStream.ToUniform(0));
        Assert.Equal(1 - MathF.Pow(2, -24), RandomStream.ToUniform(uint.MaxValue));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(16)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(129)]
    [InlineData(1000)]
    public void FillsAreTheScalarDefinitionAtEveryWidth(int count)
    {
        const float Guard = -5, Rate = 0.3f, Kept = 1 / 0.7f;
        var stream = new RandomStream(Seed, RandomPurpose.Dropout, 2, 1UL << 40);
        foreach (ulong item in new ulong[] { 0, 12, (3UL << 32) + 1, ulong.MaxValue })
        {
            float[] uniform =
                [.. Enumerable.Range(0, count).Select(i => stream.Uniform(item, (ulong)i)), Guard];
            float[] mask = [.. uniform[..count].Select(u => u < Rate ? 0 : Kept), Guard];
            foreach (SimdWidth width in SimdWidths.All)
            {
                float[] filled = [.. new float[count], Guard];
                fixed (float* p = filled)
                {
                    stream.FillUniform(width, item, count, p);
                    Assert.Equal(uniform, filled);
                    stream.FillMask(width, item, Rate, Kept, count, p);
                    Assert.Equal(mask, filled);
                }
            }
        }
    }

    [Fact]
    public void UniformValuesAreEquallyFrequent()
    {
        const int Bins = 256;
        float[] values = Uniforms();
        int[] counts = new int[Bins];
        foreach (float value in values)
        {
            counts[(int)(value * Bins)]++;
        }

        // 255 degrees of freedom: mean 255, standard deviation 22.6.
        Assert.InRange(ChiSquare(counts), 255 - (4 * 22.6), 255 + (4 * 22.6));
        Assert.Equal(0.5, values.Average(), 4 * 0.2887 / Math.Sqrt(Draws));
    }

    [Fact]
    public void NeighboursAreIndependent()
    {
        const int Side = 16;
        float[] values = Uniforms();
        int[] counts = new int[Side * Side];
        for (int i = 0; i < values.Length; i += 2)
        {
            counts[((int)(values[i] * Side) * Side) + (int)(values[i + 1] * Side)]++;
        }

        Assert.InRange(ChiSquare(counts), 255 - (4 * 22.6), 255 + (4 * 22.6));
    }

    [Fact]
    public void NormalValuesHaveTheMomentsOfTheirDistribution()
    {
        var stream = new RandomStream(Seed, RandomPurpose.Generation, 4);
        double[] values = [.. Enumerable.Range(0, Draws).Select(i => stream.Normal(0, (ulong)i))];
        double error = 4 / Math.Sqrt(Draws);
        Assert.Equal(0, values.Average(), error);
        Assert.Equal(1, values.Average(x => x * x), error * Math.Sqrt(2));
        Assert.Equal(0, values.Average(x => x * x * x), error * Math.Sqrt(15));
        Assert.Equal(3, values.Average(x => x * x * x * x), error * Math.Sqrt(96));
        Assert.Equal(0.0455, values.Count(x => Math.Abs(x) > 2) / (double)Draws, error * 0.21);

        // The two of a pair come of the same radius, and yet do not depend on each other.
        double[] products = [.. values.Chunk(2).Select(pair => pair[0] * pair[1])];
        double[] squares =
            [.. values.Chunk(2).Select(pair => (pair[0] * pair[0] - 1) * (pair[1] * pair[1] - 1))];
        Assert.Equal(0, products.Average(), error * Math.Sqrt(2));
        Assert.Equal(0, squares.Average(), error * Math.Sqrt(8));
    }

    [Fact]
    public void MasksDropTheirRateAndKeepTheMean()
    {
        float[] mask = new float[Draws];
        fixed (float* p = mask)
        {
            new RandomStream(Seed, RandomPurpose.Dropout)
                .FillMask(0, 0.25f, 1 / 0.75f, mask.Length, p);
        }

        double dropped = mask.Count(x => x == 0) / (double)Draws;
        Assert.Equal(0.25, dropped, 4 * Math.Sqrt(0.25 * 0.75 / Draws));
        Assert.Equal(1, mask.Average(), 0.006);
    }

    private static float[] Uniforms()
    {
        float[] values = new float[Draws];
        fixed (float* p = values)
        {
            new RandomStream(Seed, RandomPurpose.Generation).FillUniform(3, values.Length, p);
        }

        return values;
    }

    private static double ChiSquare(int[] counts)
    {
        double expected = counts.Sum() / (double)counts.Length;
        return counts.Sum(count => (count - expected) * (count - expected) / expected);
    }
}
