using System.Runtime.CompilerServices;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>The logistic function, 1 / (1 + e^(−x)): the articles' activation.</summary>
public sealed record SigmoidDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "sigmoid";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new ElementActivationLayer<Sigmoid>(name, Kind, input, default);
}

/// <summary>y = 1 / (1 + e^(−x)) and dy/dx = y·(1 − y).</summary>
internal readonly struct Sigmoid : IElementActivation
{
    public static bool GradientReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        ElementFunctions.Sigmoid<TVector, TSimd>(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector y, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector complement = TSimd.Subtract(TSimd.Create(1f), y);
        return TSimd.Multiply(dy, TSimd.Multiply(y, complement));
    }

    public double Reference(double x) => ExactMath.Sigmoid(x);
}
