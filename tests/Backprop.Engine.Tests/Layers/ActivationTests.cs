using Backprop.Engine.Kernels;
using Backprop.Engine.Layers;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Tests.Layers;

/// <summary>Activations at every vector width, and at the numbers where functions go
/// wrong.</summary>
public sealed unsafe class ActivationTests
{
    private static readonly float[] Inputs =
    [
        0f, -0f, 1f, -1f, 0.3f, -0.3f, 5f, -5f, 20f, -20f, 100f, -100f, 1e-30f, -1e-30f, 1e-42f,
        -1e-42f, 3e38f, float.PositiveInfinity, float.NegativeInfinity, float.NaN, 0.7f, -0.7f, 2f,
    ];

    [Fact]
    public void The_width_of_vectors_changes_no_bit()
    {
        Check(default(Sigmoid));
        Check(default(Tanh));
        Check(default(Relu));
        Check(new LeakyRelu(0.01f));
        Check(default(Gelu));
        Check(default(TanhGelu));
        Check(default(Silu));

        static void Check<TActivation>(TActivation activation)
            where TActivation : struct, IElementActivation
        {
            int[][] results = [.. SimdWidths.All.Select(width => Bits(width, activation))];
            Assert.All(results, result => Assert.Equal(results[0], result));
        }
    }

    [Fact]
    public void A_value_that_is_not_a_number_stays_one()
    {
        Check(default(Sigmoid));
        Check(default(Tanh));
        Check(default(Relu));
        Check(new LeakyRelu(0.01f));
        Check(default(Gelu));
        Check(default(TanhGelu));
        Check(default(Silu));

        static void Check<TActivation>(TActivation activation)
            where TActivation : struct, IElementActivation =>
            Assert.True(
                float.IsNaN(activation.Invoke<float, SimdScalar>(float.NaN)),
                typeof(TActivation).Name);
    }

    [Fact]
    public void Far_from_zero_gelus_tangent_form_is_zero_or_the_input_and_so_is_its_slope()
    {
        foreach (float x in (float[])[17f, 1e10f, 1e30f, 3e38f])
        {
            Assert.Equal(x, default(TanhGelu).Invoke<float, SimdScalar>(x));
            Assert.Equal(0.5f, default(TanhGelu).Invoke<float, SimdScalar>(x, 0.5f));
            Assert.Equal(0f, default(TanhGelu).Invoke<float, SimdScalar>(-x));
            Assert.Equal(0f, default(TanhGelu).Invoke<float, SimdScalar>(-x, 0.5f));
        }
    }

    private static int[] Bits<TActivation>(SimdWidth width, TActivation activation)
        where TActivation : struct, IElementActivation
    {
        var results = new float[2 * Inputs.Length];
        float[] gradients = [.. Inputs.Select((_, i) => 0.1f * (i - 7))];
        fixed (float* x = Inputs, dy = gradients, y = results)
        {
            Elementwise.Map(width, activation, x, Inputs.Length, y);
            Elementwise.Map(width, activation, x, dy, Inputs.Length, y + Inputs.Length);
        }

        return [.. results.Select(BitConverter.SingleToInt32Bits)];
    }
}
