using Backprop.Engine.Numerics;

namespace Backprop.Engine.Randomness;

/// <summary>Draws from the standard normal distribution.</summary>
public static class NormalVariate
{
    /// <summary>The normally distributed value of an item, of mean 0 and standard deviation 1.
    /// </summary>
    /// <remarks>Marsaglia's polar method ("A convenient method for generating normal variables",
    /// 1964): a point in the unit disc, found by trying, gives a normal value without sine or
    /// cosine. A value draws from an item of its own, so the number of its tries moves nobody
    /// else's.</remarks>
    public static double Draw(RandomStream random, ulong item)
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
