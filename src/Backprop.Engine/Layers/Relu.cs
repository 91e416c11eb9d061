using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>The rectified linear unit, max(x, 0).</summary>
public sealed record ReluDefinition : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "relu";

    /// <inheritdoc/>
    public override Initializer DefaultWeightInitializer => VarianceScaling.HeUniform;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input) =>
        new ElementActivationLayer<Relu>(name, Kind, input, default);
}

/// <summary>y = max(x, 0) and dy/dx = 1 where x &gt; 0, else 0 (at the kink as well, as PyTorch has
/// it). A NaN stays one: it must be seen, not rectified away.</summary>
internal readonly struct Relu : IElementActivation
{
    public static bool GradientReadsOutput => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.SelectLess(x, TSimd.Zero, TSimd.Zero, x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector y, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.SelectLess(TSimd.Zero, y, dy, TSimd.Zero);

    public double Reference(double x) => x < 0 ? 0 : x;
}
