using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>The hyperbolic tangent: a sigmoid from −1 to 1.</summary>
public sealed record TanhDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "tanh";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new ElementActivationLayer<Tanh>(name, Kind, input, default);
}

/// <summary>y = tanh x and dy/dx = 1 − y².</summary>
internal readonly struct Tanh : IElementActivation
{
    public static bool GradientReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        ElementFunctions.Tanh<TVector, TSimd>(x);

    // 1 − y² as (1 − y)·(1 + y), which does not cancel near saturation.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector y, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector one = TSimd.Create(1f);
        TVector slope = TSimd.Multiply(TSimd.Subtract(one, y), TSimd.Add(one, y));
        return TSimd.Multiply(dy, slope);
    }

    public double Reference(double x) => ExactMath.Tanh(x);
}
