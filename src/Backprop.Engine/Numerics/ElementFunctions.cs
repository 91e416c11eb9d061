using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Numerics;

/// <summary>
/// exp, log, tanh, sigmoid, softplus and erf, lane by lane, in single precision: at most 2 ulp off
/// the true value over the whole range, denormal arguments and results included, and the same bits
/// at every vector width, since nothing but IEEE operations is in them. For use inside
/// <see cref="Kernels.IUnaryFunction"/> and other kernels; <see cref="ElementArrays"/> runs them
/// over spans.
/// </summary>
/// <remarks>The polynomials are minimax fits (weighted for relative error) whose coefficients were
/// rounded to float one after the other, refitting the rest each time.</remarks>
public static class ElementFunctions
{
    private const float Log2E = 1.44269504f;
    private const float Ln2High = 0.693147182f;
    private const float Ln2Low = -1.90465421e-9f;

    // Adding and subtracting 1.5·2^23 rounds to the nearest integer, ties to even.
    private const float RoundingShift = 12582912f;

    /// <summary>e^x. +∞ above 88.72, denormal below −87.34, 0 below −103.97.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        // Past these the result is ∞ or 0 anyway. NaN stays, as it is not beyond either.
        TVector highest = TSimd.Create(89), lowest = TSimd.Create(-105);
        x = TSimd.SelectLess(highest, x, highest, x);
        x = TSimd.SelectLess(x, lowest, lowest, x);

        // x = n·ln 2 + r with |r| ≤ ½·ln 2; x − n·Ln2High is exact.
        TVector shift = TSimd.Create(RoundingShift);
        TVector n = TSimd.Subtract(
            TSimd.FusedMultiplyAdd(x, TSimd.Create(Log2E), shift), shift);
        TVector high = TSimd.FusedMultiplyAdd(n, TSimd.Create(-Ln2High), x);
        TVector r = TSimd.FusedMultiplyAdd(n, TSimd.Create(-Ln2Low), high);

        // 1 + r = head + low without rounding r.
        TVector one = TSimd.Create(1);
        TVector head = TSimd.Add(high, one);
        TVector lost = TSimd.Subtract(high, TSimd.Subtract(head, one));
        TVector low = TSimd.FusedMultiplyAdd(n, TSimd.Create(-Ln2Low), lost);

        // e^r = 1 + r + r²·q(r).
        TVector q = TSimd.Create(1.3820734e-03f);
        q = Next<TVector, TSimd>(q, r, 8.368677e-03f);
        q = Next<TVector, TSimd>(q, r, 4.1668266e-02f);
        q = Next<TVector, TSimd>(q, r, 1.6666521e-01f);
        q = Next<TVector, TSimd>(q, r, 4.9999994e-01f);
        TVector tail = TSimd.FusedMultiplyAdd(TSimd.Multiply(r, r), q, low);
        return TSimd.Scale(TSimd.Add(head, tail), n);
    }

    /// <summary>ln x. −∞ for ±0, NaN for negative numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Log<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        const float SmallestNormal = 1.17549435e-38f, TwoTo23 = 8388608f, SqrtTwo = 1.41421356f;
        TVector zero = TSimd.Zero, one = TSimd.Create(1);
        TVector smallest = TSimd.Create(SmallestNormal);
        TVector normal = TSimd.SelectLess(
            x, smallest, TSimd.Multiply(x, TSimd.Create(TwoTo23)), x);

        // x = 2^e·(1 + f) with 1 + f in [√½, √2].
        TVector e = TSimd.Subtract(
            TSimd.Exponent(normal), TSimd.SelectLess(x, smallest, TSimd.Create(23), zero));
        TVector m = TSimd.Significand(normal);
        TVector sqrtTwo = TSimd.Create(SqrtTwo);
        e = TSimd.SelectLess(sqrtTwo, m, TSimd.Add(e, one), e);
        m = TSimd.SelectLess(sqrtTwo, m, TSimd.Multiply(m, TSimd.Create(0.5f)), m);
        TVector f = TSimd.Subtract(m, one);
        TVector result = TSimd.FusedMultiplyAdd(
            e, TSimd.Create(Ln2High), LogOnePlus<TVector, TSimd>(f, e));

        // Anything but 0 < x < ∞: ∞ stays; 0, negative numbers and NaN.
        TVector infinity = TSimd.Create(float.PositiveInfinity);
        result = TSimd.SelectLess(x, infinity, result, x);
        TVector special = TSimd.SelectEqual(
            x, zero, TSimd.Create(float.NegativeInfinity), TSimd.Create(float.NaN));
        return TSimd.SelectLess(zero, x, result, special);
    }

    /// <summary>tanh x.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        const float PolynomialEnd = 0.625f;
        TVector one = TSimd.Create(1);
        TVector a = TSimd.Abs(x);

        // tanh a = a + a³·p(a²) where 1 − 2 / (e^2a + 1) would cancel.
        TVector square = TSimd.Multiply(a, a);
        TVector p = TSimd.Create(-5.6948652e-03f);
        p = Next<TVector, TSimd>(p, square, 2.0630071e-02f);
        p = Next<TVector, TSimd>(p, square, -5.373695e-02f);
        p = Next<TVector, TSimd>(p, square, 1.3331409e-01f);
        p = Next<TVector, TSimd>(p, square, -3.333328e-01f);
        TVector small = TSimd.FusedMultiplyAdd(TSimd.Multiply(square, a), p, a);

        TVector denominator = TSimd.Add(Exp<TVector, TSimd>(TSimd.Add(a, a)), one);
        TVector large = TSimd.Subtract(one, TSimd.Divide(TSimd.Create(2), denominator));
        return TSimd.CopySign(
            TSimd.SelectLess(a, TSimd.Create(PolynomialEnd), small, large), x);
    }

    /// <summary>1 / (1 + e^(−x)).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        // Of e^(−|x|), so that nothing overflows and small results keep their relative accuracy.
        TVector one = TSimd.Create(1);
        TVector exp = Exp<TVector, TSimd>(NegatedMagnitude<TVector, TSimd>(x));
        TVector numerator = TSimd.SelectLess(x, TSimd.Zero, exp, one);
        TVector denominator = TSimd.Add(exp, one);
        TVector quotient = TSimd.Divide(numerator, denominator);

        // What the denominator lost to rounding is put back to first order, with 1 − ½u for
        // 1 / (1 + u): it is half an ulp at the most.
        TVector lost = TSimd.Subtract(exp, TSimd.Subtract(denominator, one));
        TVector inverse = TSimd.FusedMultiplyAdd(exp, TSimd.Create(-0.5f), one);
        TVector change = TSimd.Multiply(quotient, TSimd.Subtract(TSimd.Zero, lost));
        return TSimd.FusedMultiplyAdd(change, inverse, quotient);
    }

    /// <summary>ln(1 + e^x): the stable part of a cross-entropy on logits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Softplus<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        // max(x, 0) + ln(1 + u) with u = e^(−|x|); what 1 + u loses to rounding is put back to
        // first order: ln(1 + u) = ln(s) + (u − (s − 1)) / s.
        TVector one = TSimd.Create(1), zero = TSimd.Zero;
        TVector u = Exp<TVector, TSimd>(NegatedMagnitude<TVector, TSimd>(x));
        TVector s = TSimd.Add(u, one);
        TVector lost = TSimd.Subtract(u, TSimd.Subtract(s, one));
        TVector correction = TSimd.Divide(lost, s);

        // s is in [1, 2]: one halving at the most, and nothing special.
        TVector half = TSimd.Create(0.5f), sqrtTwo = TSimd.Create(1.41421356f);
        TVector e = TSimd.SelectLess(sqrtTwo, s, one, zero);
        TVector m = TSimd.SelectLess(sqrtTwo, s, TSimd.Multiply(s, half), s);
        TVector log = TSimd.FusedMultiplyAdd(
            e, TSimd.Create(Ln2High), LogOnePlus<TVector, TSimd>(TSimd.Subtract(m, one), e));
        TVector positive = TSimd.SelectLess(x, zero, zero, x);
        return TSimd.Add(positive, TSimd.Add(log, correction));
    }

    /// <summary>The error function, 2/√π·∫₀ˣ e^(−t²) dt.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Erf<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        const float PolynomialEnd = 0.925f, Saturated = 4;
        TVector one = TSimd.Create(1);
        TVector a = TSimd.Abs(x);

        // erf a = a + a·p(a²).
        TVector square = TSimd.Multiply(a, a);
        TVector p = TSimd.Create(7.994892e-05f);
        p = Next<TVector, TSimd>(p, square, -8.0494967e-04f);
        p = Next<TVector, TSimd>(p, square, 5.192392e-03f);
        p = Next<TVector, TSimd>(p, square, -2.685573e-02f);
        p = Next<TVector, TSimd>(p, square, 1.1283626e-01f);
        p = Next<TVector, TSimd>(p, square, -3.761263e-01f);
        p = Next<TVector, TSimd>(p, square, 1.2837917e-01f);
        TVector small = TSimd.FusedMultiplyAdd(a, p, a);

        // erf b = 1 − e^(−b·g(b)).
        TVector end = TSimd.Create(Saturated);
        TVector b = TSimd.SelectLess(end, a, end, a);
        TVector g = TSimd.Create(1.15245675e-05f);
        g = Next<TVector, TSimd>(g, b, -3.256773e-04f);
        g = Next<TVector, TSimd>(g, b, 3.6538728e-03f);
        g = Next<TVector, TSimd>(g, b, -2.3785597e-02f);
        g = Next<TVector, TSimd>(g, b, 1.0626346e-01f);
        g = Next<TVector, TSimd>(g, b, 6.351357e-01f);
        g = Next<TVector, TSimd>(g, b, 1.1286522f);
        TVector exponent = TSimd.Multiply(TSimd.Subtract(TSimd.Zero, b), g);
        TVector large = TSimd.Subtract(one, Exp<TVector, TSimd>(exponent));
        return TSimd.CopySign(
            TSimd.SelectLess(a, TSimd.Create(PolynomialEnd), small, large), x);
    }

    // ln(1 + f) + e·Ln2Low for 1 + f in [√½, √2].
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector LogOnePlus<TVector, TSimd>(TVector f, TVector e)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        // ln(1 + f) = f − ½f² + f³·p(f).
        TVector p = TSimd.Create(6.749933e-02f);
        p = Next<TVector, TSimd>(p, f, -1.1671853e-01f);
        p = Next<TVector, TSimd>(p, f, 1.1884157e-01f);
        p = Next<TVector, TSimd>(p, f, -1.2406025e-01f);
        p = Next<TVector, TSimd>(p, f, 1.4220269e-01f);
        p = Next<TVector, TSimd>(p, f, -1.6667995e-01f);
        p = Next<TVector, TSimd>(p, f, 2.0002075e-01f);
        p = Next<TVector, TSimd>(p, f, -2.500001e-01f);
        p = Next<TVector, TSimd>(p, f, 3.3333313e-01f);
        TVector square = TSimd.Multiply(f, f);
        TVector low = TSimd.Multiply(e, TSimd.Create(Ln2Low));
        TVector tail = TSimd.FusedMultiplyAdd(TSimd.Multiply(square, f), p, low);
        return TSimd.Add(TSimd.FusedMultiplyAdd(square, TSimd.Create(-0.5f), tail), f);
    }

    // Horner's step: p·x + coefficient.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Next<TVector, TSimd>(TVector p, TVector x, float coefficient)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.FusedMultiplyAdd(p, x, TSimd.Create(coefficient));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector NegatedMagnitude<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.CopySign(TSimd.Abs(x), TSimd.Create(-1));
}
