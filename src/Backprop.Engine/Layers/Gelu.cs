using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>The Gaussian error linear unit, x·Φ(x), in its exact form; Hendrycks and Gimpel,
/// "Gaussian error linear units", 2016.</summary>
public sealed record GeluDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "gelu";

    /// <inheritdoc/>
    public override Initializer DefaultWeightInitializer => VarianceScaling.HeUniform;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new ElementActivationLayer<Gelu>(name, Kind, input, default);
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
