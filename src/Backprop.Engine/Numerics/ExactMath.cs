namespace Backprop.Engine.Numerics;

/// <summary>
/// Elementary functions in double precision that give the same bits on every machine: of addition,
/// multiplication, division, fused multiply-add and bit moves alone. <see cref="Math"/>'s are the C
/// library's, which differ between systems, and so would runs. They are made for set-up and
/// reference work, a few calls a step, not for inner loops.
/// </summary>
/// <remarks>Errors are given in ulps of the true result and are held by tests. All handle NaN, ±∞
/// and ±0 as IEEE 754 recommends.</remarks>
public static class ExactMath
{
    /// <summary>The largest argument, in absolute value, of <see cref="Sin"/> and
    /// <see cref="Cos"/>: beyond it the argument's reduction would need more bits of π.</summary>
    public const double MaxAngle = 1 << 30;

    private const double Ln2High = 0.6931471805599453;
    private const double Ln2Low = 2.3190468138462996E-17;
    private const double InverseLn2 = 1.4426950408889634;
    private const double HalfPiHigh = 1.5707963267948966;
    private const double HalfPiMiddle = 6.123233995736766E-17;
    private const double HalfPiLow = -1.4973849048591698E-33;
    private const double TwoOverPi = 0.6366197723675814;
    private const double InverseSqrtPi = 0.5641895835477563;

    // Adding and subtracting 1.5·2^52 rounds to the nearest integer, ties to even.
    private const double RoundingShift = 6755399441055744.0;
    private const double ExpOverflow = 709.782712893384;
    private const double ExpUnderflow = -745.1332191019412;
    private const long SignificandBits = 0x000FFFFFFFFFFFFF;
    private const int ExponentBias = 1023;
    private const double SmallestNormal = 2.2250738585072014E-308;
    private const double TwoTo54 = 18014398509481984.0;
    private const double SqrtHalf = 0.7071067811865476;

    private static readonly double[] InverseFactorials = MakeInverseFactorials(20);

    /// <summary>e^x; at most 1 ulp off, denormal results included.</summary>
    public static double Exp(double x) => Exp(x, 0);

    /// <summary>e^x − 1 without cancellation near 0; at most 2 ulp off.</summary>
    public static double Expm1(double x)
    {
        if (double.IsNaN(x) || x == 0)
        {
            return x;
        }

        if (x > ExpOverflow)
        {
            return double.PositiveInfinity;
        }

        if (x < -40)
        {
            return -1;
        }

        double k = Round(x * InverseLn2);
        double fraction = ExpFractionMinusOne(Reduced(x, k), 0);
        if (k == 0)
        {
            return fraction;
        }

        // 2^1024 is no double, so the scale is applied in two steps.
        double half = PowerOfTwo((int)k - 1);
        return Math.FusedMultiplyAdd(half, fraction, half - 0.5) * 2;
    }

    /// <summary>ln x; at most 1 ulp off.</summary>
    public static double Log(double x)
    {
        if (!(x > 0) || double.IsPositiveInfinity(x))
        {
            return x == 0 ? double.NegativeInfinity
                : double.IsPositiveInfinity(x) ? x
                : double.NaN;
        }

        (int k, double m) = Split(x);
        double f = m - 1;
        double s = f / (2 + f);
        double halfSquare = 0.5 * f * f;

        // ln(1 + f) = 2·artanh(s) = f − (f²/2 − s·(f²/2 + R)), where R = Σ 2·s^(2n)/(2n + 1).
        double rest = f - (halfSquare - Math.FusedMultiplyAdd(
            s, halfSquare + ArtanhTail(s * s), k * Ln2Low));
        return Math.FusedMultiplyAdd(k, Ln2High, rest);
    }

    /// <summary>ln(1 + x) without cancellation near 0; at most 2 ulp off.</summary>
    public static double Log1p(double x)
    {
        double sum = 1 + x;
        if (x == 0 || !(sum > 0) || double.IsPositiveInfinity(sum))
        {
            return x == 0 ? x : Log(sum);
        }

        double lost = x < 1 ? x - (sum - 1) : 1 - (sum - x);
        return Log(sum) + (lost / sum);
    }

    /// <summary>x^n by repeated squaring, exact where the result is a double of few bits; at most 1
    /// ulp off for |n| ≤ 2^40.</summary>
    public static double Pow(double x, long n)
    {
        if (n == 0 || x == 1)
        {
            return 1;
        }

        if (x == 0 || !double.IsFinite(x))
        {
            double magnitude = n > 0 ? Math.Abs(x) : 1 / Math.Abs(x);
            return (n & 1) != 0 ? Math.CopySign(magnitude, x) : magnitude;
        }

        DoubleDouble square = n > 0 ? x : (DoubleDouble)1 / x;
        DoubleDouble power = 1;
        for (ulong bits = Magnitude(n); bits != 0; bits >>= 1)
        {
            if ((bits & 1) != 0)
            {
                power *= square;
            }

            if (!IsWithinRange(power.High))
            {
                break;
            }

            square *= square;
        }

        return power.High;
    }

    /// <summary>x^y; at most 1 ulp off. NaN for a negative x and a y that is not integral.
    /// </summary>
    public static double Pow(double x, double y)
    {
        const double ExactIntegers = 9007199254740992.0;
        if (Math.Abs(y) <= ExactIntegers && y == Math.Truncate(y))
        {
            return Pow(x, (long)y);
        }

        if (x == 1)
        {
            return 1;
        }

        if (double.IsNaN(x) || double.IsNaN(y) || (x < 0 && double.IsFinite(y)
            && double.IsFinite(x) && Math.Abs(y) < ExactIntegers))
        {
            return double.NaN;
        }

        // What is left of negative bases has an even exponent, or an infinite one.
        double magnitude = Math.Abs(x);
        if (magnitude == 0 || double.IsInfinity(magnitude) || double.IsInfinity(y))
        {
            return magnitude == 1 ? 1
                : (magnitude > 1) == (y > 0) ? double.PositiveInfinity
                : 0;
        }

        DoubleDouble exponent = LogDoubleDouble(magnitude) * y;
        return double.IsFinite(exponent.High) ? Exp(exponent.High, exponent.Low)
            : exponent.High > 0 ? double.PositiveInfinity
            : 0;
    }

    /// <summary>sin x for |x| ≤ <see cref="MaxAngle"/>; at most 1 ulp off. NaN for ±∞.</summary>
    /// <exception cref="ArgumentOutOfRangeException">x is finite and beyond.</exception>
    public static double Sin(double x)
    {
        if (!double.IsFinite(x) || x == 0)
        {
            return x == 0 ? x : double.NaN;
        }

        int quadrant = ReduceAngle(x, out double high, out double low);
        double value = (quadrant & 1) == 0 ? SinNearZero(high, low) : CosNearZero(high, low);
        return (quadrant & 2) == 0 ? value : -value;
    }

    /// <summary>cos x for |x| ≤ <see cref="MaxAngle"/>; at most 1 ulp off. NaN for ±∞.</summary>
    /// <exception cref="ArgumentOutOfRangeException">x is finite and beyond.</exception>
    public static double Cos(double x)
    {
        if (!double.IsFinite(x))
        {
            return double.NaN;
        }

        int quadrant = ReduceAngle(x, out double high, out double low) + 1;
        double value = (quadrant & 1) == 0 ? SinNearZero(high, low) : CosNearZero(high, low);
        return (quadrant & 2) == 0 ? value : -value;
    }

    /// <summary>tanh x; at most 3 ulp off.</summary>
    public static double Tanh(double x)
    {
        const double Saturated = 22;
        if (double.IsNaN(x) || x == 0)
        {
            return x;
        }

        double magnitude = Math.Abs(x);
        if (magnitude > Saturated)
        {
            return Math.CopySign(1, x);
        }

        double t = Expm1(2 * magnitude);
        return Math.CopySign(t / (t + 2), x);
    }

    /// <summary>1 / (1 + e^(−x)); at most 3 ulp off.</summary>
    public static double Sigmoid(double x)
    {
        // Of e^x for x < 0, so that small results keep their relative accuracy.
        double exp = Exp(-Math.Abs(x));
        return x < 0 ? exp / (1 + exp) : 1 / (1 + exp);
    }

    /// <summary>ln(1 + e^x); at most 3 ulp off.</summary>
    public static double Softplus(double x) =>
        (x > 0 ? x : 0) + Log1p(Exp(-Math.Abs(x)));

    /// <summary>The error function, 2/√π·∫₀ˣ e^(−t²) dt; at most 4 ulp off.</summary>
    public static double Erf(double x)
    {
        const double SeriesEnd = 2, Saturated = 6;
        double magnitude = Math.Abs(x);
        if (double.IsNaN(x) || x == 0)
        {
            return x;
        }

        double value = magnitude < SeriesEnd ? ErfSeries(magnitude)
            : magnitude < Saturated ? 1 - ErfcFraction(magnitude)
            : 1;
        return Math.CopySign(value, x);
    }

    // e^(x + low), |low| a few ulps of x at the most.
    private static double Exp(double x, double low)
    {
        if (double.IsNaN(x))
        {
            return x;
        }

        if (x > ExpOverflow)
        {
            return double.PositiveInfinity;
        }

        if (x < ExpUnderflow)
        {
            return 0;
        }

        double k = Round(x * InverseLn2);
        double value = 1 + ExpFractionMinusOne(Reduced(x, k), low);

        // 2^1024 is no double and 2^−1075 is 0: the scale is applied in two steps.
        int first = (int)k >> 1;
        return value * PowerOfTwo(first) * PowerOfTwo((int)k - first);
    }

    // x − k·ln 2, whose high part is exact: both terms are multiples of 2^−53.
    private static double Reduced(double x, double k) =>
        Math.FusedMultiplyAdd(-k, Ln2Low, Math.FusedMultiplyAdd(-k, Ln2High, x));

    // e^(r + low) − 1 for |r| ≤ ½·ln 2, by Taylor's series.
    private static double ExpFractionMinusOne(double r, double low)
    {
        const int Terms = 15;
        double sum = InverseFactorials[Terms];
        for (int n = Terms - 1; n >= 2; n--)
        {
            sum = Math.FusedMultiplyAdd(sum, r, InverseFactorials[n]);
        }

        double fraction = Math.FusedMultiplyAdd(r * r, sum, r);
        return Math.FusedMultiplyAdd(fraction, low, low) + fraction;
    }

    // x = 2^k·m with m in [√½, √2), for a positive finite x.
    private static (int Exponent, double Significand) Split(double x)
    {
        int k = 0;
        if (x < SmallestNormal)
        {
            x *= TwoTo54;
            k = -54;
        }

        long bits = BitConverter.DoubleToInt64Bits(x);
        k += (int)(bits >> 52) - (ExponentBias - 1);
        double m = BitConverter.Int64BitsToDouble(
            (bits & SignificandBits) | ((ExponentBias - 1L) << 52));
        return m < SqrtHalf ? (k - 1, 2 * m) : (k, m);
    }

    // Σ 2·z^n / (2n + 1) for n ≥ 1 and z ≤ 0.0295.
    private static double ArtanhTail(double z)
    {
        const int Terms = 12;
        double sum = 0;
        for (int n = Terms; n >= 1; n--)
        {
            sum = Math.FusedMultiplyAdd(sum, z, 2.0 / ((2 * n) + 1));
        }

        return sum * z;
    }

    private static DoubleDouble LogDoubleDouble(double x)
    {
        const int Terms = 20;
        (int k, double m) = Split(x);
        DoubleDouble s = (DoubleDouble)(m - 1) / ((DoubleDouble)m + 1);
        DoubleDouble z = s * s;
        DoubleDouble sum = 0;
        for (int n = Terms; n >= 0; n--)
        {
            sum = (sum * z) + ((DoubleDouble)2 / ((2 * n) + 1));
        }

        return (DoubleDouble.NaturalLogOfTwo * k) + (s * sum);
    }

    // x = quadrant·π/2 + high + low.
    private static int ReduceAngle(double x, out double high, out double low)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Math.Abs(x), MaxAngle, nameof(x));
        double k = Round(x * TwoOverPi);

        // Exact: both terms are multiples of 2^−53.
        double rest = Math.FusedMultiplyAdd(-k, HalfPiHigh, x);
        double middle = k * HalfPiMiddle;
        high = rest - middle;
        double part = high - rest;
        double lost = (rest - (high - part)) - (middle + part);
        low = lost - Math.FusedMultiplyAdd(
            k, HalfPiLow, Math.FusedMultiplyAdd(k, HalfPiMiddle, -middle));
        return (int)k;
    }

    // sin(r + low) for |r| ≤ π/4.
    private static double SinNearZero(double r, double low)
    {
        const int Terms = 19;
        double square = r * r;
        double sum = 0;
        for (int n = Terms; n >= 3; n -= 2)
        {
            sum = Math.FusedMultiplyAdd(
                sum, square, (n & 2) == 0 ? InverseFactorials[n] : -InverseFactorials[n]);
        }

        double lowPart = low * (1 - (0.5 * square));
        return r + Math.FusedMultiplyAdd(sum, square * r, lowPart);
    }

    // cos(r + low) for |r| ≤ π/4.
    private static double CosNearZero(double r, double low)
    {
        const int Terms = 18;
        double square = r * r;
        double sum = 0;
        for (int n = Terms; n >= 4; n -= 2)
        {
            sum = Math.FusedMultiplyAdd(
                sum, square, (n & 2) == 0 ? InverseFactorials[n] : -InverseFactorials[n]);
        }

        // What 1 − r²/2 loses to rounding is put back.
        double half = 0.5 * square;
        double head = 1 - half;
        double lost = (1 - head) - half;
        return head + (lost + Math.FusedMultiplyAdd(sum, square * square, -r * low));
    }

    // erf x = 2/√π·e^(−x²)·Σ 2^n·x^(2n+1) / (1·3···(2n + 1)): all terms positive.
    private static double ErfSeries(double x)
    {
        const int Terms = 40;
        double square = x * x;
        double sum = 1;
        for (int n = Terms; n >= 1; n--)
        {
            sum = Math.FusedMultiplyAdd(sum, square * 2 / ((2 * n) + 1), 1);
        }

        return 2 * InverseSqrtPi * x * sum * ExpOfMinusSquare(x);
    }

    // erfc x = e^(−x²)/√π / (x + ½/(x + 1/(x + 1½/(x + …)))), Laplace's continued fraction.
    private static double ErfcFraction(double x)
    {
        const int Depth = 100;
        double fraction = x;
        for (int n = Depth; n >= 1; n--)
        {
            fraction = x + (0.5 * n / fraction);
        }

        return ExpOfMinusSquare(x) * InverseSqrtPi / fraction;
    }

    private static double ExpOfMinusSquare(double x)
    {
        double square = x * x;
        return Exp(-square, -Math.FusedMultiplyAdd(x, x, -square));
    }

    private static bool IsWithinRange(double x) => x != 0 && double.IsFinite(x);

    private static ulong Magnitude(long n) => n < 0 ? (ulong)-n : (ulong)n;

    private static double Round(double x) => (x + RoundingShift) - RoundingShift;

    // 2^n for n in [−1022, 1023].
    private static double PowerOfTwo(int n) =>
        BitConverter.Int64BitsToDouble((n + (long)ExponentBias) << 52);

    // Each is the quotient of 1 and an exact product (20! < 2^62, of which 18 bits are zeros), so
    // correctly rounded.
    private static double[] MakeInverseFactorials(int last)
    {
        var inverses = new double[last + 1];
        double factorial = 1;
        inverses[0] = 1;
        for (int n = 1; n <= last; n++)
        {
            factorial *= n;
            inverses[n] = 1 / factorial;
        }

        return inverses;
    }
}
