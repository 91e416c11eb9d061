using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>Uniform in [<paramref name="Minimum"/>, <paramref name="Maximum"/>).</summary>
/// <param name="Minimum">The smallest value.</param>
/// <param name="Maximum">What every value is below, but for rounding.</param>
public sealed record Uniform(float Minimum, float Maximum) : Initializer
{
    /// <inheritdoc/>
    public override void Check(string parameter, Shape shape)
    {
        if (!(Minimum <= Maximum) || !float.IsFinite(Maximum - Minimum))
        {
            throw new ArgumentException(
                $"'{parameter}' cannot be uniform from {Minimum} to {Maximum}: the first must not "
                + "be above the second, and both must be finite");
        }
    }

    /// <inheritdoc/>
    public override unsafe void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination)
    {
        fixed (float* values = destination)
        {
            random.FillUniform(item: 0, destination.Length, values);
        }

        float width = Maximum - Minimum;
        foreach (ref float value in destination)
        {
            value = MathF.FusedMultiplyAdd(width, value, Minimum);
        }
    }
}
