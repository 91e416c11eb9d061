using Backprop.Engine.Kernels;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Xunit.Abstractions;

namespace Backprop.Engine.Tests.Numerics;

/// <summary>Every function against double precision on float bit patterns spread evenly over all of
/// them, so that every exponent and both signs are met, and at every width.</summary>
public unsafe class ElementFunctionsTests(ITestOutputHelper output)
{
    private const double AllowedUlps = 2;

    // Coprime to every power of two: the patterns' low bits differ as well.
    private const uint Stride = 2_999;

    private static readonly float[] Sample = MakeSample();

    [Fact]
    public void ExpIsWithinTwoUlps() =>
        AssertAccurate<ExpFunction>(Math.Exp, -110, 95);

    [Fact]
    public void LogIsWithinTwoUlps() =>
        AssertAccurate<LogFunction>(Math.Log, 0.4, 2.5);

    [Fact]
    public void TanhIsWithinTwoUlps() =>
        AssertAccurate<TanhFunction>(Math.Tanh, -10, 10);

    [Fact]
    public void SigmoidIsWithinTwoUlps() =>
        AssertAccurate<SigmoidFunction>(x => 1 / (1 + Math.Exp(-x)), -110, 20);

    [Fact]
    public void SoftplusIsWithinTwoUlps() =>
        AssertAccurate<SoftplusFunction>(ExactMath.Softplus, -110, 20);

    [Fact]
    public void ErfIsWithinTwoUlps() =>
        AssertAccurate<ErfFunction>(ExactMath.Erf, -5, 5);

    [Fact]
    public void SpecialValuesAreThoseOfIeee754()
    {
        const float Infinity = float.PositiveInfinity;
        AssertBits<ExpFunction>([-Infinity, -1e30f, -0f, 0, 1e30f, Infinity],
            [0, 0, 1, 1, Infinity, Infinity]);
        AssertBits<LogFunction>([-0f, 0, 1, Infinity], [-Infinity, -Infinity, 0, Infinity]);
        AssertBits<TanhFunction>([-Infinity, -1e30f, -0f, 0, 1e30f, Infinity],
            [-1, -1, -0f, 0, 1, 1]);
        AssertBits<SigmoidFunction>([-Infinity, -1e30f, -0f, 0, 1e30f, Infinity],
            [0, 0, 0.5f, 0.5f, 1, 1]);
        AssertBits<SoftplusFunction>([-Infinity, -1e30f, 1e30f, Infinity], [0, 0, 1e30f, Infinity]);
        AssertBits<ErfFunction>([-Infinity, -1e30f, -0f, 0, 1e30f, Infinity],
            [-1, -1, -0f, 0, 1, 1]);
    }

    [Fact]
    public void NanIsPassedOnAndLogOfNegativeNumbersIsNan()
    {
        AssertNan<ExpFunction>(float.NaN);
        AssertNan<LogFunction>(float.NaN);
        AssertNan<LogFunction>(-1);
        AssertNan<LogFunction>(-float.Epsilon);
        AssertNan<LogFunction>(float.NegativeInfinity);
        AssertNan<TanhFunction>(float.NaN);
        AssertNan<SigmoidFunction>(float.NaN);
        AssertNan<SoftplusFunction>(float.NaN);
        AssertNan<ErfFunction>(float.NaN);
    }

    [Fact]
    public void SpansOfAnyLengthGiveTheBitsOfTheVectors()
    {
        for (int length = 0; length < 40; length++)
        {
            float[] source = [.. Enumerable.Range(0, length).Select(i => (i * 0.37f) - 5)];
            float[] results = new float[length];
            ElementArrays.Exp(source, results);
            Assert.Equal(Map<ExpFunction>(SimdWidth.Scalar, source), results);
            ElementArrays.Log(source, results);
            Assert.Equal(Map<LogFunction>(SimdWidth.Scalar, source), results);
            ElementArrays.Tanh(source, results);
            Assert.Equal(Map<TanhFunction>(SimdWidth.Scalar, source), results);
            ElementArrays.Sigmoid(source, results);
            Assert.Equal(Map<SigmoidFunction>(SimdWidth.Scalar, source), results);
            ElementArrays.Softplus(source, results);
            Assert.Equal(Map<SoftplusFunction>(SimdWidth.Scalar, source), results);
            ElementArrays.Erf(source, results);
            Assert.Equal(Map<ErfFunction>(SimdWidth.Scalar, source), results);
        }
    }

    [Fact]
    public void SpansOfDifferentLengthsAreRefused() =>
        Assert.Throws<ArgumentException>(() => ElementArrays.Exp(new float[3], new float[4]));

    private void AssertAccurate<TFunction>(Func<double, double> exact, double from, double to)
        where TFunction : struct, IUnaryFunction
    {
        const int Points = 200_000;
        double step = (to - from) / Points;
        float[] dense =
            [.. Enumerable.Range(0, Points).Select(i => (float)(from + (step * i)))];
        double worst = Math.Max(
            AssertAccurate<TFunction>(exact, Sample), AssertAccurate<TFunction>(exact, dense));
        output.WriteLine($"{typeof(TFunction).Name}: at most {worst:F3} ulp");
    }

    private static double AssertAccurate<TFunction>(Func<double, double> exact, float[] source)
        where TFunction : struct, IUnaryFunction
    {
        float[] results = Map<TFunction>(SimdWidth.Scalar, source);
        double worst = 0;
        for (int i = 0; i < source.Length; i++)
        {
            double error = Ulps.BetweenFloat(exact(source[i]), results[i]);
            if (!(error <= AllowedUlps))
            {
                Assert.Fail($"f({source[i]:R}) = {results[i]:R}, {error:F2} ulp off");
            }

            worst = Math.Max(worst, error);
        }

        foreach (SimdWidth width in SimdWidths.All)
        {
            AssertSameBits(results, Map<TFunction>(width, source));
        }

        return worst;
    }

    private static void AssertBits<TFunction>(float[] source, float[] expected)
        where TFunction : struct, IUnaryFunction
    {
        foreach (SimdWidth width in SimdWidths.All)
        {
            float[] padded = Padded(source);
            AssertSameBits(expected, Map<TFunction>(width, padded)[..expected.Length]);
        }
    }

    private static void AssertNan<TFunction>(float x)
        where TFunction : struct, IUnaryFunction
    {
        foreach (SimdWidth width in SimdWidths.All)
        {
            Assert.True(float.IsNaN(Map<TFunction>(width, Padded([x]))[0]));
        }
    }

    // A whole vector at every width, so that it is not the scalar tail that is tested.
    private static float[] Padded(float[] source) =>
        [.. source, .. new float[((source.Length + 15) / 16 * 16) - source.Length]];

    // NaN's payload is no result.
    private static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            bool same = BitConverter.SingleToInt32Bits(expected[i])
                == BitConverter.SingleToInt32Bits(actual[i]);
            if (!same && !(float.IsNaN(expected[i]) && float.IsNaN(actual[i])))
            {
                Assert.Fail($"element {i}: {actual[i]:R} is not {expected[i]:R}");
            }
        }
    }

    private static float[] Map<TFunction>(SimdWidth width, float[] source)
        where TFunction : struct, IUnaryFunction
    {
        float[] results = new float[source.Length];
        fixed (float* from = source, to = results)
        {
            Elementwise.Map(width, default(TFunction), from, source.Length, to);
        }

        return results;
    }

    private static float[] MakeSample()
    {
        var sample = new List<float>();
        for (ulong bits = 0; bits <= uint.MaxValue; bits += Stride)
        {
            sample.Add(BitConverter.UInt32BitsToSingle((uint)bits));
        }

        return [.. sample];
    }
}
