using System.Numerics;
using System.Runtime.InteropServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Plugins;

/// <summary>
/// The numbers that a plug-in's layer computes with: single precision when it trains, double
/// precision when <c>gradcheck</c> takes central differences of it. A layer is written once, over
/// this interface, so that the two cannot drift apart; and it has no other arithmetic at hand than
/// what gives the same bits on every machine.
/// </summary>
/// <remarks>Constants are written as they are (<c>0.5 * x</c>): a double is rounded to the number.
/// There is no way back, so that <see cref="Math"/> cannot be called with one. .NET never contracts
/// <c>a * b + c</c>; whoever wants a fused multiply-add asks for it.</remarks>
/// <typeparam name="T">The number itself.</typeparam>
public interface IReal<T>
    : IAdditionOperators<T, T, T>, ISubtractionOperators<T, T, T>, IMultiplyOperators<T, T, T>,
        IDivisionOperators<T, T, T>, IUnaryNegationOperators<T, T>,
        IComparisonOperators<T, T, bool>
    where T : unmanaged, IReal<T>
{
    /// <summary>The nearest number.</summary>
    static abstract implicit operator T(double value);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract T FusedMultiplyAdd(T a, T b, T c);

    /// <summary>√x, correctly rounded.</summary>
    static abstract T Sqrt(T x);

    /// <summary>|x|.</summary>
    static abstract T Abs(T x);

    /// <summary>The larger of the two; NaN where one is.</summary>
    static abstract T Max(T a, T b);

    /// <summary>The smaller of the two; NaN where one is.</summary>
    static abstract T Min(T a, T b);

    /// <summary>e^x.</summary>
    static abstract T Exp(T x);

    /// <summary>ln x.</summary>
    static abstract T Log(T x);

    /// <summary>x^y.</summary>
    static abstract T Pow(T x, T y);

    /// <summary>sin x, |x| at most <see cref="ExactMath.MaxAngle"/>.</summary>
    static abstract T Sin(T x);

    /// <summary>cos x, |x| at most <see cref="ExactMath.MaxAngle"/>.</summary>
    static abstract T Cos(T x);

    /// <summary>tanh x.</summary>
    static abstract T Tanh(T x);

    /// <summary>1 / (1 + e^(−x)).</summary>
    static abstract T Sigmoid(T x);

    /// <summary>ln(1 + e^x).</summary>
    static abstract T Softplus(T x);

    /// <summary>The error function.</summary>
    static abstract T Erf(T x);

    /// <summary>Σ values[i], in the order of <see cref="Reductions"/>.</summary>
    static abstract T Sum(ReadOnlySpan<T> values);

    /// <summary>Σ a[i]·b[i], in the order of <see cref="Reductions"/>, each step a fused
    /// multiply-add.</summary>
    /// <exception cref="ArgumentException">The lengths differ.</exception>
    static abstract T Dot(ReadOnlySpan<T> a, ReadOnlySpan<T> b);
}

/// <summary>A number in single precision: what is trained with.</summary>
/// <param name="value">It.</param>
public readonly struct Real32(float value) : IReal<Real32>, IEquatable<Real32>
{
    private readonly float _value = value;

    /// <summary>The number.</summary>
    public float Value => _value;

    /// <inheritdoc/>
    public static implicit operator Real32(double value) => new((float)value);

    /// <inheritdoc/>
    public static Real32 operator +(Real32 left, Real32 right) => new(left._value + right._value);

    /// <inheritdoc/>
    public static Real32 operator -(Real32 left, Real32 right) => new(left._value - right._value);

    /// <inheritdoc/>
    public static Real32 operator *(Real32 left, Real32 right) => new(left._value * right._value);

    /// <inheritdoc/>
    public static Real32 operator /(Real32 left, Real32 right) => new(left._value / right._value);

    /// <inheritdoc/>
    public static Real32 operator -(Real32 value) => new(-value._value);

    /// <inheritdoc/>
    public static bool operator >(Real32 left, Real32 right) => left._value > right._value;

    /// <inheritdoc/>
    public static bool operator >=(Real32 left, Real32 right) => left._value >= right._value;

    /// <inheritdoc/>
    public static bool operator <(Real32 left, Real32 right) => left._value < right._value;

    /// <inheritdoc/>
    public static bool operator <=(Real32 left, Real32 right) => left._value <= right._value;

    /// <inheritdoc/>
    public static bool operator ==(Real32 left, Real32 right) => left._value == right._value;

    /// <inheritdoc/>
    public static bool operator !=(Real32 left, Real32 right) => left._value != right._value;

    /// <inheritdoc/>
    public static Real32 FusedMultiplyAdd(Real32 a, Real32 b, Real32 c) =>
        new(MathF.FusedMultiplyAdd(a._value, b._value, c._value));

    /// <inheritdoc/>
    public static Real32 Sqrt(Real32 x) => new(MathF.Sqrt(x._value));

    /// <inheritdoc/>
    public static Real32 Abs(Real32 x) => new(MathF.Abs(x._value));

    /// <inheritdoc/>
    public static Real32 Max(Real32 a, Real32 b) => new(MathF.Max(a._value, b._value));

    /// <inheritdoc/>
    public static Real32 Min(Real32 a, Real32 b) => new(MathF.Min(a._value, b._value));

    /// <inheritdoc/>
    public static Real32 Exp(Real32 x) =>
        new(ElementFunctions.Exp<float, SimdScalar>(x._value));

    /// <inheritdoc/>
    public static Real32 Log(Real32 x) =>
        new(ElementFunctions.Log<float, SimdScalar>(x._value));

    /// <inheritdoc/>
    public static Real32 Pow(Real32 x, Real32 y) => ExactMath.Pow(x._value, (double)y._value);

    /// <inheritdoc/>
    public static Real32 Sin(Real32 x) => ExactMath.Sin(x._value);

    /// <inheritdoc/>
    public static Real32 Cos(Real32 x) => ExactMath.Cos(x._value);

    /// <inheritdoc/>
    public static Real32 Tanh(Real32 x) =>
        new(ElementFunctions.Tanh<float, SimdScalar>(x._value));

    /// <inheritdoc/>
    public static Real32 Sigmoid(Real32 x) =>
        new(ElementFunctions.Sigmoid<float, SimdScalar>(x._value));

    /// <inheritdoc/>
    public static Real32 Softplus(Real32 x) =>
        new(ElementFunctions.Softplus<float, SimdScalar>(x._value));

    /// <inheritdoc/>
    public static Real32 Erf(Real32 x) =>
        new(ElementFunctions.Erf<float, SimdScalar>(x._value));

    /// <inheritdoc/>
    public static unsafe Real32 Sum(ReadOnlySpan<Real32> values)
    {
        fixed (float* from = MemoryMarshal.Cast<Real32, float>(values))
        {
            return new(Reductions.Sum(from, values.Length));
        }
    }

    /// <inheritdoc/>
    public static unsafe Real32 Dot(ReadOnlySpan<Real32> a, ReadOnlySpan<Real32> b)
    {
        Real64.RequireOneLength(a.Length, b.Length);
        fixed (float* first = MemoryMarshal.Cast<Real32, float>(a),
            second = MemoryMarshal.Cast<Real32, float>(b))
        {
            return new(Reductions.Dot(first, second, a.Length));
        }
    }

    /// <inheritdoc/>
    public bool Equals(Real32 other) => _value.Equals(other._value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Real32 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _value.GetHashCode();
}

/// <summary>A number in double precision: what central differences are taken of.</summary>
/// <param name="value">It.</param>
public readonly struct Real64(double value) : IReal<Real64>, IEquatable<Real64>
{
    private readonly double _value = value;

    /// <summary>The number.</summary>
    public double Value => _value;

    /// <inheritdoc/>
    public static implicit operator Real64(double value) => new(value);

    /// <inheritdoc/>
    public static Real64 operator +(Real64 left, Real64 right) => left._value + right._value;

    /// <inheritdoc/>
    public static Real64 operator -(Real64 left, Real64 right) => left._value - right._value;

    /// <inheritdoc/>
    public static Real64 operator *(Real64 left, Real64 right) => left._value * right._value;

    /// <inheritdoc/>
    public static Real64 operator /(Real64 left, Real64 right) => left._value / right._value;

    /// <inheritdoc/>
    public static Real64 operator -(Real64 value) => -value._value;

    /// <inheritdoc/>
    public static bool operator >(Real64 left, Real64 right) => left._value > right._value;

    /// <inheritdoc/>
    public static bool operator >=(Real64 left, Real64 right) => left._value >= right._value;

    /// <inheritdoc/>
    public static bool operator <(Real64 left, Real64 right) => left._value < right._value;

    /// <inheritdoc/>
    public static bool operator <=(Real64 left, Real64 right) => left._value <= right._value;

    /// <inheritdoc/>
    public static bool operator ==(Real64 left, Real64 right) => left._value == right._value;

    /// <inheritdoc/>
    public static bool operator !=(Real64 left, Real64 right) => left._value != right._value;

    /// <inheritdoc/>
    public static Real64 FusedMultiplyAdd(Real64 a, Real64 b, Real64 c) =>
        Math.FusedMultiplyAdd(a._value, b._value, c._value);

    /// <inheritdoc/>
    public static Real64 Sqrt(Real64 x) => Math.Sqrt(x._value);

    /// <inheritdoc/>
    public static Real64 Abs(Real64 x) => Math.Abs(x._value);

    /// <inheritdoc/>
    public static Real64 Max(Real64 a, Real64 b) => Math.Max(a._value, b._value);

    /// <inheritdoc/>
    public static Real64 Min(Real64 a, Real64 b) => Math.Min(a._value, b._value);

    /// <inheritdoc/>
    public static Real64 Exp(Real64 x) => ExactMath.Exp(x._value);

    /// <inheritdoc/>
    public static Real64 Log(Real64 x) => ExactMath.Log(x._value);

    /// <inheritdoc/>
    public static Real64 Pow(Real64 x, Real64 y) => ExactMath.Pow(x._value, y._value);

    /// <inheritdoc/>
    public static Real64 Sin(Real64 x) => ExactMath.Sin(x._value);

    /// <inheritdoc/>
    public static Real64 Cos(Real64 x) => ExactMath.Cos(x._value);

    /// <inheritdoc/>
    public static Real64 Tanh(Real64 x) => ExactMath.Tanh(x._value);

    /// <inheritdoc/>
    public static Real64 Sigmoid(Real64 x) => ExactMath.Sigmoid(x._value);

    /// <inheritdoc/>
    public static Real64 Softplus(Real64 x) => ExactMath.Softplus(x._value);

    /// <inheritdoc/>
    public static Real64 Erf(Real64 x) => ExactMath.Erf(x._value);

    /// <inheritdoc/>
    public static Real64 Sum(ReadOnlySpan<Real64> values)
    {
        double sum = 0;
        foreach (Real64 value in values)
        {
            sum += value._value;
        }

        return sum;
    }

    /// <inheritdoc/>
    public static Real64 Dot(ReadOnlySpan<Real64> a, ReadOnlySpan<Real64> b)
    {
        RequireOneLength(a.Length, b.Length);
        double sum = 0;
        for (int i = 0; i < a.Length; i++)
        {
            sum += a[i]._value * b[i]._value;
        }

        return sum;
    }

    /// <inheritdoc/>
    public bool Equals(Real64 other) => _value.Equals(other._value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Real64 other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => _value.GetHashCode();

    internal static void RequireOneLength(int a, int b)
    {
        if (a != b)
        {
            throw new ArgumentException($"a product of {a} numbers with {b}");
        }
    }
}
