using Backprop.Engine.Numerics;
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
            destination[i] = (float)(Mean + StandardDeviation * Draw(random, (ulong)i));
        }
    }

    // Marsaglia's polar method ("A convenient method for generating normal variables", 1964): a
    // point in the unit disc, found by trying, gives a normal value without sine or cosine. An
    // element draws from an item of its own, so the number of its tries moves nobody else's.
    private static double Draw(RandomStream random, ulong item)
    {
        for (ulong block = 0; ; block++)
        {
            PhiloxBlock words = random.Block(item, block);
            if (TryPoint(words.X, words.Y, out double value)
                || TryPoint(words.Z, words.W, out value))
            {
                return value;
            }
        }
    }

    private static bool TryPoint(uint first, uint second, out double value)
    {
        double x = ToSymmetric(first), y = ToSymmetric(second);
        double square = x * x + y * y;
        if (square >= 1)
        {
            value = 0;
            return false;
        }

        value = x * Math.Sqrt(-2 * ExactMath.Log(square) / square);
        return true;
    }

    // In (−1, 1), symmetric, and never 0.
    private static double ToSymmetric(uint word) => (word + 0.5) / (1u << 31) - 1;
}
