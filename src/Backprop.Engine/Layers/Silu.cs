using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>The sigmoid linear unit, x·σ(x), also called swish; Elfwing et al., "Sigmoid-weighted
/// linear units", 2017.</summary>
public sealed record SiluDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "silu";

    /// <inheritdoc/>
    public override Initializer DefaultWeightInitializer => VarianceScaling.HeUniform;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new ElementActivationLayer<Silu>(name, Kind, input, default);
}

/// <summary>y = x·σ(x) and dy/dx = σ(x)·(1 + x·(1 − σ(x))), with σ the sigmoid.</summary>
internal readonly struct Silu : IElementActivation
{
    public static bool GradientReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Multiply(x, ElementFunctions.Sigmoid<TVector, TSimd>(x));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector one = TSimd.Create(1f);
        TVector sigmoid = ElementFunctions.Sigmoid<TVector, TSimd>(x);
        TVector bend = TSimd.FusedMultiplyAdd(x, TSimd.Subtract(one, sigmoid), one);
        return TSimd.Multiply(dy, TSimd.Multiply(sigmoid, bend));
    }

    public double Reference(double x) => x * ExactMath.Sigmoid(x);
}
