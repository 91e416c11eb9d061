using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>What the normal distribution function is computed by.</summary>
public enum GeluApproximation
{
    /// <summary>The error function: it is exact.</summary>
    None,

    /// <summary>A hyperbolic tangent, as GPT-2 has it; Hendrycks and Gimpel, section 2. It differs
    /// from the exact form by less than 0.0005.</summary>
    Tanh,
}

/// <summary>The Gaussian error linear unit, x·Φ(x); Hendrycks and Gimpel, "Gaussian error linear
/// units", 2016.</summary>
public sealed record GeluDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "gelu";

    /// <summary>How Φ is approximated; PyTorch's <c>approximate</c>.</summary>
    public GeluApproximation Approximation { get; init; }

    /// <inheritdoc/>
    public override Initializer DefaultWeightInitializer => VarianceScaling.HeUniform;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        Approximation == GeluApproximation.Tanh
            ? new ElementActivationLayer<TanhGelu>(name, Kind, input, default)
            : new ElementActivationLayer<Gelu>(name, Kind, input, default);
}

/// <summary>y = x·Φ(x) with Φ(x) = (1 + erf(x / √2)) / 2, the normal distribution function;
/// dy/dx = Φ(x) + x·φ(x) with φ(x) = e^(−x²/2) / √(2π), its density.</summary>
internal readonly struct Gelu : IElementActivation
{
    private const float InverseSqrtTwo = 0.707106781f;
    private const float InverseSqrtTwoPi = 0.398942280f;

    public static bool GradientReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(x, Distribution<TVector, TSimd>(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector exponent = TSimd.Multiply(TSimd.Multiply(x, TSimd.Create(-0.5f)), x);
        TVector density = TSimd.Multiply(
            ElementFunctions.Exp<TVector, TSimd>(exponent), TSimd.Create(InverseSqrtTwoPi));
        TVector slope = TSimd.FusedMultiplyAdd(x, density, Distribution<TVector, TSimd>(x));
        return TSimd.Multiply(dy, slope);
    }

    public double Reference(double x) => x * (1 + ExactMath.Erf(x / Math.Sqrt(2))) / 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Distribution<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector half = TSimd.Create(0.5f);
        TVector erf = ElementFunctions.Erf<TVector, TSimd>(
            TSimd.Multiply(x, TSimd.Create(InverseSqrtTwo)));
        return TSimd.FusedMultiplyAdd(half, erf, half);
    }
}

/// <summary>y = x·(1 + tanh u) / 2 = x·σ(2u) with u = √(2/π)·(x + 0.044715·x³) and σ the sigmoid,
/// in which nothing cancels; dy/dx = σ(2u) + x·σ(2u)·(1 − σ(2u))·2u′.</summary>
internal readonly struct TanhGelu : IElementActivation
{
    // 2·√(2/π), and that times 0.044715.
    private const float Linear = 1.59576912f;
    private const float Cubic = 0.0713548163f;

    // From here on σ(2u) is 0 or 1, while x³ would become infinite far behind it.
    private const float Saturation = 16f;

    public static bool GradientReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(x, Distribution<TVector, TSimd>(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector distribution = Distribution<TVector, TSimd>(x);
        TVector bend = TSimd.Multiply(
            x, Polynomial<TVector, TSimd>(x, TSimd.Create(3 * Cubic)));
        TVector rest = TSimd.Subtract(TSimd.Create(1f), distribution);
        TVector share = TSimd.SelectLess(
            TSimd.Abs(x), TSimd.Create(Saturation), TSimd.Multiply(bend, rest), TSimd.Zero);
        return TSimd.Multiply(
            dy, TSimd.FusedMultiplyAdd(distribution, share, distribution));
    }

    public double Reference(double x)
    {
        double u = Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x));
        return x * (1 + ExactMath.Tanh(u)) / 2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Distribution<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        ElementFunctions.Sigmoid<TVector, TSimd>(
            TSimd.Multiply(x, Polynomial<TVector, TSimd>(x, TSimd.Create(Cubic))));

    // Linear + cubic·x².
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Polynomial<TVector, TSimd>(TVector x, TVector cubic)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.FusedMultiplyAdd(
            TSimd.Multiply(x, x), cubic, TSimd.Create(Linear));
}
