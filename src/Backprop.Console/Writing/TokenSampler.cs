using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Console.Writing;

/// <summary>Draws tokens by their logits: token i with probability e^(l[i] / temperature) over the
/// sum of all, and at temperature 0 the first of the likeliest. What is drawn is a function of
/// seed, place and logits.</summary>
/// <param name="seed">Names the randomness.</param>
/// <param name="temperature">At least 0.</param>
internal readonly struct TokenSampler(ulong seed, double temperature)
{
    private readonly RandomStream _random = new(seed, RandomPurpose.Sampling);

    /// <summary>A token.</summary>
    /// <param name="logits">[vocabulary].</param>
    /// <param name="place">The token's place in the text.</param>
    public int Draw(ReadOnlySpan<float> logits, ulong place)
    {
        int likeliest = 0;
        for (int i = 1; i < logits.Length; i++)
        {
            likeliest = logits[i] > logits[likeliest] ? i : likeliest;
        }

        if (temperature == 0)
        {
            return likeliest;
        }

        double greatest = logits[likeliest], sum = 0;
        foreach (float logit in logits)
        {
            sum += ExactMath.Exp((logit - greatest) / temperature);
        }

        double left = _random.Uniform(place, 0) * sum;
        for (int i = 0; i < logits.Length; i++)
        {
            left -= ExactMath.Exp((logits[i] - greatest) / temperature);
            if (left < 0)
            {
                return i;
            }
        }

        // Rounding may leave a little of the sum over.
        return likeliest;
    }
}
