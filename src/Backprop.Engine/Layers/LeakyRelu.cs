using System.Runtime.CompilerServices;
using Backprop.Engine.Initializers;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>A rectified linear unit that lets a little of negative inputs through, so that a neuron
/// which is off still learns.</summary>
/// <param name="Slope">The slope for negative inputs.</param>
public sealed record LeakyReluDefinition(float Slope = 0.01f) : ActivationDefinition
{
    /// <inheritdoc/>
    public override string Kind => "leaky-relu";

    /// <inheritdoc/>
    public override Initializer DefaultWeightInitializer => VarianceScaling.HeUniform;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        if (!float.IsFinite(Slope))
        {
            throw new ArgumentException(
                $"leaky ReLU '{name}' has slope {Slope}; it must be a finite number");
        }

        return new ElementActivationLayer<LeakyRelu>(name, Kind, input, new LeakyRelu(Slope));
    }
}

/// <summary>y = x where x is not negative, else slope·x; dy/dx = 1 where x &gt; 0, else slope.
/// </summary>
internal readonly struct LeakyRelu(float slope) : IElementActivation
{
    private readonly float _slope = slope;

    public static bool GradientReadsOutput => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.SelectLess(x, TSimd.Zero, TSimd.Multiply(x, TSimd.Create(_slope)), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public TVector Invoke<TVector, TSimd>(TVector x, TVector dy)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.SelectLess(TSimd.Zero, x, dy, TSimd.Multiply(dy, TSimd.Create(_slope)));

    public double Reference(double x) => x < 0 ? _slope * x : x;
}
