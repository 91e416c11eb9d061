namespace Backprop.Engine.Tests.Numerics;

/// <summary>Distances between floating-point numbers, in units of the last place.</summary>
internal static class Ulps
{
    /// <summary>|actual − expected| in ulps of the double <paramref name="expected"/>; 0 where both
    /// are NaN or equal, sign of zero included; ∞ where only one of them is NaN or ∞.</summary>
    public static double Between(double expected, double actual)
    {
        if (BitConverter.DoubleToInt64Bits(expected) == BitConverter.DoubleToInt64Bits(actual)
            || (double.IsNaN(expected) && double.IsNaN(actual)))
        {
            return 0;
        }

        if (!double.IsFinite(expected) || !double.IsFinite(actual))
        {
            return double.PositiveInfinity;
        }

        double difference = Math.Abs(actual - expected);
        return difference == 0 ? 1 : difference / UlpOf(expected);
    }

    /// <summary>|actual − expected| in ulps of a float at the double <paramref name="expected"/>.
    /// Past the largest float, ∞ is as good as the number one ulp further.</summary>
    public static double BetweenFloat(double expected, float actual)
    {
        const double OneUlpPastLargest = 3.4028236692093846e38;
        if (double.IsNaN(expected) || float.IsNaN(actual))
        {
            return double.IsNaN(expected) && float.IsNaN(actual) ? 0 : double.PositiveInfinity;
        }

        double value = float.IsInfinity(actual)
            ? Math.CopySign(OneUlpPastLargest, actual)
            : actual;
        double wanted = Math.Abs(expected) > OneUlpPastLargest
            ? Math.CopySign(OneUlpPastLargest, expected)
            : expected;
        if (wanted == 0 && double.IsNegative(wanted) != double.IsNegative(value))
        {
            return double.PositiveInfinity;
        }

        return Math.Abs(value - wanted) / UlpOfFloat(wanted);
    }

    private static double UlpOf(double x) => Math.BitIncrement(Math.Abs(x)) - Math.Abs(x);

    private static double UlpOfFloat(double x)
    {
        const int SmallestExponent = -126, FractionBits = 23;
        int exponent = x == 0 ? SmallestExponent : Math.Max(Math.ILogB(x), SmallestExponent);
        return Math.ScaleB(1, exponent - FractionBits);
    }
}
