using System.Runtime.CompilerServices;

namespace Backprop.Engine.Numerics;

/// <summary>
/// A number of about 105 bits as the unevaluated sum of two doubles, |Low| ≤ ½ ulp(High): where a
/// double's own rounding would be magnified, as in powers. Dekker, "A floating-point technique for
/// extending the available precision", 1971, with FMA in the place of Dekker's splitting.
/// </summary>
/// <param name="High">The number rounded to double.</param>
/// <param name="Low">What the rounding lost.</param>
internal readonly record struct DoubleDouble(double High, double Low)
{
    /// <summary>ln 2.</summary>
    public static readonly DoubleDouble NaturalLogOfTwo =
        new(0.6931471805599453, 2.3190468138462996E-17);

    public static implicit operator DoubleDouble(double value) => new(value, 0);

    public static DoubleDouble operator +(DoubleDouble a, DoubleDouble b)
    {
        double sum = a.High + b.High;
        double part = sum - a.High;
        double lost = (a.High - (sum - part)) + (b.High - part);
        return Normalized(sum, lost + (a.Low + b.Low));
    }

    public static DoubleDouble operator *(DoubleDouble a, DoubleDouble b)
    {
        double product = a.High * b.High;
        if (double.IsInfinity(product))
        {
            return product;
        }

        double lost = Math.FusedMultiplyAdd(a.High, b.High, -product);
        double crossed = Math.FusedMultiplyAdd(a.High, b.Low, a.Low * b.High);
        return Normalized(product, lost + crossed);
    }

    public static DoubleDouble operator /(DoubleDouble a, DoubleDouble b)
    {
        double quotient = a.High / b.High;
        if (double.IsInfinity(quotient))
        {
            return quotient;
        }

        double rest = Math.FusedMultiplyAdd(-quotient, b.High, a.High);
        double corrected = Math.FusedMultiplyAdd(-quotient, b.Low, rest + a.Low);
        return Normalized(quotient, corrected / b.High);
    }

    // Needs |high| ≥ |low|.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static DoubleDouble Normalized(double high, double low)
    {
        double sum = high + low;
        return new DoubleDouble(sum, low - (sum - high));
    }
}
