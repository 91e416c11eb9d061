using Backprop.Engine.Randomness;

namespace Backprop.Engine.Initializers;

/// <summary>Normally distributed with a mean and a standard deviation.</summary>
/// <param name="Mean">The mean.</param>
/// <param name="StandardDeviation">The standard deviation; not negative.</param>
public sealed record Normal(float Mean, float StandardDeviation) : Initializer
{
    /// <inheritdoc/>
    public override void Check(string parameter, Shape shape)
    {
        if (!float.IsFinite(Mean) || !float.IsFinite(StandardDeviation) || StandardDeviation < 0)
        {
            throw new ArgumentException(
                $"'{parameter}' cannot be normal with mean {Mean} and standard deviation "
                + $"{StandardDeviation}: both must be finite, and the second not negative");
        }
    }

    /// <inheritdoc/>
    public override void Fill(
        Shape shape, int fanIn, int fanOut, RandomStream random, Span<float> destination)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            destination[i] =
                (float)(Mean + StandardDeviation * random.Normal(0, (ulong)i));
        }
    }
}
