using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Engine.Tests.Numerics;

/// <summary>The C library's functions are within an ulp of the truth where the tests run, so each
/// bound is the documented one and that ulp.</summary>
public class ExactMathTests
{
    private const int Points = 40_000;

    private static readonly RandomStream Random = new(1, RandomPurpose.Generation);

    private static readonly double[] SpecialValues =
    [
        0, -0.0, double.NaN, double.PositiveInfinity, double.NegativeInfinity, double.Epsilon,
        -double.Epsilon, double.MaxValue, double.MinValue,
    ];

    [Fact]
    public void ExpIsAccurateDownToTheDenormals()
    {
        AssertClose(Math.Exp, ExactMath.Exp, -745.2, 709.9, 2);
        AssertClose(Math.Exp, ExactMath.Exp, -1, 1, 2);
    }

    [Fact]
    public void LogIsAccurateOverAllExponentsAndNearOne()
    {
        AssertClose(Math.Log, ExactMath.Log, 0.5, 2, 2);
        for (int i = 0; i < Points; i++)
        {
            double x = Math.Exp(Uniform(i, -744, 709));
            AssertClose(Math.Log, ExactMath.Log, x, 2);
        }
    }

    [Fact]
    public void SinAndCosAreAccurateOverTheirRange()
    {
        AssertClose(Math.Sin, ExactMath.Sin, -10, 10, 2);
        AssertClose(Math.Cos, ExactMath.Cos, -10, 10, 2);
        AssertClose(Math.Sin, ExactMath.Sin, -ExactMath.MaxAngle, ExactMath.MaxAngle, 2);
        AssertClose(Math.Cos, ExactMath.Cos, -ExactMath.MaxAngle, ExactMath.MaxAngle, 2);

        // Where a multiple of π/2 is nearly a double, all that is left is the reduction's low part.
        for (int k = 1; k < 10_000; k++)
        {
            AssertClose(Math.Sin, ExactMath.Sin, k * Math.PI, 2);
            AssertClose(Math.Cos, ExactMath.Cos, (k - 0.5) * Math.PI, 2);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => ExactMath.Sin(2e9));
        Assert.Throws<ArgumentOutOfRangeException>(() => ExactMath.Cos(-2e9));
    }

    [Fact]
    public void TanhIsAccurate()
    {
        AssertClose(Math.Tanh, ExactMath.Tanh, -25, 25, 4);
        AssertClose(Math.Tanh, ExactMath.Tanh, -0.5, 0.5, 4);
        AssertClose(Math.Tanh, ExactMath.Tanh, -1e-9, 1e-9, 4);
    }

    [Fact]
    public void Expm1AndLog1pKeepTheirAccuracyNearZero()
    {
        // tanh(x/2)·(e^x + 1) and 2·artanh(x / (2 + x)), which do not cancel.
        AssertClose(
            x => Math.Tanh(x / 2) * (Math.Exp(x) + 1), ExactMath.Expm1, -2, 2, 6);
        AssertClose(Math.Exp, x => ExactMath.Expm1(x) + 1, 40, 709.7, 3);
        AssertClose(x => 2 * Math.Atanh(x / (2 + x)), ExactMath.Log1p, -0.5, 1, 6);
        AssertClose(
            x => 2 * Math.Atanh(x / (2 + x)), ExactMath.Log1p, -1e-8, 1e-8, 6);
        AssertClose(x => Math.Log(1 + x), ExactMath.Log1p, 1e17, 1e300, 3);
    }

    [Theory]
    [InlineData(0.5, 0.5204998778130465)]
    [InlineData(-1, -0.8427007929497149)]
    [InlineData(1.9375, 0.9938568063952132)]
    [InlineData(2.0625, 0.9964637508747902)]
    [InlineData(3.5, 0.9999992569016276)]
    [InlineData(1e-12, 1.1283791670955126e-12)]
    public void ErfMatchesPublishedValues(double x, double expected) =>
        Assert.InRange(Ulps.Between(expected, ExactMath.Erf(x)), 0, 4);

    [Fact]
    public void SigmoidAndSoftplusNeitherOverflowNorCancel()
    {
        AssertClose(x => 1 / (1 + Math.Exp(-x)), ExactMath.Sigmoid, -700, 40, 5);
        Assert.Equal(1e4, ExactMath.Softplus(1e4));
        AssertClose(Math.Exp, ExactMath.Softplus, -700, -40, 4);
        Assert.Equal(Math.Log(2), ExactMath.Softplus(0), 1e-15);
        Assert.Equal(0, ExactMath.Sigmoid(double.NegativeInfinity));
        Assert.Equal(1, ExactMath.Sigmoid(double.PositiveInfinity));
    }

    [Fact]
    public void PowersOfIntegralExponentAreAccurateAndSmallOnesExact()
    {
        Assert.Equal(59_049, ExactMath.Pow(3, 10));
        Assert.Equal(-0.125, ExactMath.Pow(-2, -3L));
        for (int i = 0; i < Points; i++)
        {
            double x = Uniform(i, -3, 3);
            long n = (long)Uniform(i + Points, -600, 600);
            Assert.InRange(Ulps.Between(Math.Pow(x, n), ExactMath.Pow(x, n)), 0, 2);
        }

        // As optimizers use it: a decay near 1, to the power of the step.
        for (long n = 1; n < 1_000_000; n = (n * 3) + 1)
        {
            Assert.InRange(Ulps.Between(Math.Pow(0.999, n), ExactMath.Pow(0.999, n)), 0, 2);
        }
    }

    [Fact]
    public void PowersOfFractionalExponentAreAccurate()
    {
        for (int i = 0; i < Points; i++)
        {
            double x = Math.Exp(Uniform(i, -50, 50));
            double y = Uniform(i + Points, -15, 15);
            Assert.InRange(Ulps.Between(Math.Pow(x, y), ExactMath.Pow(x, y)), 0, 2);
        }
    }

    [Fact]
    public void PowersOfSpecialValuesAreThoseOfIeee754()
    {
        double[] values = [.. SpecialValues, 1, -1, 0.5, -0.5, 2, -2, 3, -3, 2.5, -2.5, 1e300];
        foreach (double x in values)
        {
            foreach (double y in values)
            {
                AssertClose(v => Math.Pow(v, y), v => ExactMath.Pow(v, y), x, 2);
            }
        }
    }

    [Fact]
    public void SpecialValuesAreThoseOfIeee754()
    {
        foreach (double x in SpecialValues)
        {
            AssertClose(Math.Exp, ExactMath.Exp, x, 0);
            AssertClose(Math.Log, ExactMath.Log, x, 1);
            AssertClose(Math.Tanh, ExactMath.Tanh, x, 0);
            if (!double.IsFinite(x) || Math.Abs(x) < 1)
            {
                AssertClose(Math.Sin, ExactMath.Sin, x, 0);
                AssertClose(Math.Cos, ExactMath.Cos, x, 0);
            }

            AssertClose(v => v == 0 ? v : Math.Exp(v) - 1, ExactMath.Expm1, Clip(x), 0);
            AssertClose(v => v == 0 ? v : Math.Log(1 + v), ExactMath.Log1p, Clip(x), 1);
            AssertClose(
                v => Math.Abs(v) >= 6 ? Math.CopySign(1, v) : v, ExactMath.Erf, Clip(x), 0);
        }
    }

    // The cases' own definitions above are wrong in the denormals.
    private static double Clip(double x) => double.IsSubnormal(x) ? 0 * x : x;

    private static double Uniform(int item, double from, double to) =>
        from + ((to - from) * Random.Uniform((ulong)item, 0));

    private static void AssertClose(
        Func<double, double> expected, Func<double, double> actual, double from, double to,
        double ulps)
    {
        for (int i = 0; i < Points; i++)
        {
            AssertClose(expected, actual, from + ((to - from) * i / Points), ulps);
            AssertClose(expected, actual, Uniform(i, from, to), ulps);
        }
    }

    private static void AssertClose(
        Func<double, double> expected, Func<double, double> actual, double x, double ulps)
    {
        double error = Ulps.Between(expected(x), actual(x));
        if (!(error <= ulps))
        {
            Assert.Fail($"x = {x:R}: {actual(x):R}, {error} ulp off {expected(x):R}");
        }
    }
}
