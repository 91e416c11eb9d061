using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Numerics;

public unsafe class ReductionsTests
{
    private static readonly int[] Counts =
        [0, 1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 100, 1000, 4099];

    [Fact]
    public void SumsFollowTheSixteenLanesAndTheTree()
    {
        foreach (int count in Counts)
        {
            float[] source = Values(count);
            AssertEveryWidth(
                Definition(source, 0, (a, b) => a + b), default(SumReduction), source);
            AssertEveryWidth(
                Definition(source, float.NegativeInfinity, MathF.Max), default(MaxReduction),
                source);
        }
    }

    [Fact]
    public void TheOrderIsSeenWhereRoundingMatters()
    {
        // Lane 0 takes elements 0 and 16, so the large numbers meet before the small one is added.
        float[] source = new float[32];
        (source[0], source[1], source[16]) = (1e20f, 1, -1e20f);
        AssertEveryWidth(1, default(SumReduction), source);
        source[16] = 0;
        source[17] = -1e20f;
        AssertEveryWidth(0, default(SumReduction), source);
    }

    [Fact]
    public void DotsAreChainsOfFusedMultiplyAdds()
    {
        foreach (int count in Counts)
        {
            float[] a = Values(count), b = Values(count, 1);
            float[] lanes = new float[Reductions.Lanes];
            for (int i = 0; i < count; i++)
            {
                lanes[i % 16] = MathF.FusedMultiplyAdd(a[i], b[i], lanes[i % 16]);
            }

            float expected = Fold(lanes, (x, y) => x + y);
            fixed (float* pa = a, pb = b)
            {
                foreach (SimdWidth width in SimdWidths.All)
                {
                    Assert.Equal(expected, Reductions.Dot(width, pa, pb, count));
                }

                Assert.Equal(Reductions.Dot(pa, pa, count), Reductions.SumOfSquares(pa, count));
            }
        }
    }

    [Fact]
    public void SumsOfSquaresInDoubleAreTheSameBitsBothWays()
    {
        foreach (int count in Counts)
        {
            float[] source = Values(count);
            double[] lanes = new double[Reductions.Lanes];
            for (int i = 0; i < count; i++)
            {
                lanes[i % 16] += (double)source[i] * source[i];
            }

            for (int half = 8; half > 0; half /= 2)
            {
                for (int j = 0; j < half; j++)
                {
                    lanes[j] += lanes[j + half];
                }
            }

            fixed (float* p = source)
            {
                Assert.Equal(lanes[0], Reductions.SumOfSquaresInDouble128(p, count));
                Assert.Equal(lanes[0], Reductions.SumOfSquaresInDouble256(p, count));
                Assert.Equal(lanes[0], Reductions.SumOfSquaresInDouble(p, count));
            }
        }
    }

    [Fact]
    public void SquaresThatOverflowAFloatAreSummedInDouble()
    {
        float[] source = [1e30f, 1e30f];
        fixed (float* p = source)
        {
            Assert.Equal(2e60, Reductions.SumOfSquaresInDouble(p, 2), 1e54);
        }
    }

    [Fact]
    public void NothingIsReadOrWrittenPastTheEnd()
    {
        const float Guard = 12345;
        foreach (SimdWidth width in SimdWidths.All)
        {
            float[] source = [1, 2, 3, float.NaN, float.NaN];
            float[] mapped = [Guard, Guard, Guard, Guard, Guard];
            fixed (float* from = source, to = mapped)
            {
                Assert.Equal(
                    6, Reductions.MapReduce(width, default(SumReduction), from, 3, to));
            }

            Assert.Equal([1, 2, 3, Guard, Guard], mapped);
        }
    }

    private static void AssertEveryWidth<TReduction>(
        float expected, TReduction reduction, float[] source)
        where TReduction : struct, IMapReduction
    {
        fixed (float* p = source)
        {
            foreach (SimdWidth width in SimdWidths.All)
            {
                Assert.Equal(
                    expected, Reductions.MapReduce(width, reduction, p, source.Length, null));
            }
        }
    }

    private static float Definition(float[] source, float start, Func<float, float, float> join)
    {
        float[] lanes = new float[Reductions.Lanes];
        Array.Fill(lanes, start);
        for (int i = 0; i < source.Length; i++)
        {
            lanes[i % Reductions.Lanes] = join(lanes[i % Reductions.Lanes], source[i]);
        }

        return Fold(lanes, join);
    }

    private static float Fold(float[] lanes, Func<float, float, float> join)
    {
        for (int half = 8; half > 0; half /= 2)
        {
            for (int j = 0; j < half; j++)
            {
                lanes[j] = join(lanes[j], lanes[j + half]);
            }
        }

        return lanes[0];
    }

    private static float[] Values(int count, uint stream = 0)
    {
        var random = new RandomStream(5, RandomPurpose.Generation, stream);
        return
        [
            .. Enumerable.Range(0, count)
                .Select(i => (random.Uniform((ulong)i, 0) - 0.5f) * (1 + (i % 7 * 1000))),
        ];
    }
}
