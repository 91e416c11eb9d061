using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Data.Batches;

/// <summary>With whom a sample is mixed.</summary>
/// <param name="Partner">The other sample; of no meaning where the share is 1.</param>
/// <param name="Share">λ: what the sample itself has in the mixture; 1: it is not mixed.</param>
public readonly record struct MixedWith(long Partner, float Share);

/// <summary>
/// Mixes training samples: λ·x + (1 − λ)·x′, and targets likewise, with λ of Beta(α, α). Zhang et
/// al., "mixup: beyond empirical risk minimization", ICLR 2018. Where torchvision's <c>MixUp</c>
/// draws one λ a batch and mixes each row with its neighbour, every sample has a λ and a partner of
/// its own here, drawn from the whole training part: a pure function of (seed, epoch, sample), so
/// that it does not matter which rows are loaded together (rules 1 and 4).
/// </summary>
/// <param name="Alpha">α &gt; 0: small, and one of the two has nearly all; 1, and every λ is
/// equally likely.</param>
/// <param name="Probability">How often a sample is mixed at all, in (0, 1].</param>
public sealed record Mixup(double Alpha, double Probability = 1)
{
    private const uint WhomStream = 0;
    private const uint FirstShareStream = 1;
    private const uint SecondShareStream = 2;

    private const double ToUnit = 1.0 / (1L << 32);

    /// <summary>With whom a sample is mixed in an epoch.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="epoch">The epoch, from 0.</param>
    /// <param name="sample">The sample.</param>
    /// <param name="count">Samples of the training part.</param>
    public MixedWith Draw(ulong seed, long epoch, long sample, long count)
    {
        PhiloxBlock whom = Stream(seed, epoch, WhomStream).Block((ulong)sample, 0);
        if (Unit(whom.Z) >= Probability)
        {
            return new MixedWith(sample, 1);
        }

        ulong word = whom.X | ((ulong)whom.Y << 32);
        long partner = (long)Math.BigMul(word, (ulong)count, out _);

        // Of two gamma variates the one's part in their sum; their logarithms, since for a small α
        // both may be less than the least number.
        double own = LogOfGamma(Stream(seed, epoch, FirstShareStream), (ulong)sample);
        double other = LogOfGamma(Stream(seed, epoch, SecondShareStream), (ulong)sample);
        return new MixedWith(partner, (float)ExactMath.Sigmoid(own - other));
    }

    /// <summary>Mixes the second vector into the first one.</summary>
    /// <param name="share">What the first one has in the mixture.</param>
    /// <param name="first">Overwritten with the mixture.</param>
    /// <param name="second">As long.</param>
    internal static void Mix(float share, Span<float> first, ReadOnlySpan<float> second)
    {
        float rest = 1 - share;
        for (int i = 0; i < first.Length; i++)
        {
            first[i] = (share * first[i]) + (rest * second[i]);
        }
    }

    // The logarithm of a gamma variate of shape α: Marsaglia and Tsang, "A simple method for
    // generating gamma variables", 2000. It rejects fewer than one in twenty.
    private double LogOfGamma(RandomStream random, ulong sample)
    {
        bool isBoosted = Alpha < 1;
        double d = (isBoosted ? Alpha + 1 : Alpha) - (1.0 / 3), c = 1 / Math.Sqrt(9 * d);
        for (ulong attempt = 0; ; attempt++)
        {
            double normal = random.Normal(sample, 4 * attempt);
            double root = 1 + (c * normal), v = root * root * root;
            double accept = Unit(random.Word(sample, (4 * attempt) + 2));
            if (root > 0
                && ExactMath.Log(accept) < (normal * normal / 2) + d - (d * v)
                    + (d * ExactMath.Log(v)))
            {
                double boost = isBoosted
                    ? ExactMath.Log(Unit(random.Word(sample, (4 * attempt) + 3))) / Alpha
                    : 0;
                return ExactMath.Log(d * v) + boost;
            }
        }
    }

    private static RandomStream Stream(ulong seed, long epoch, uint stream) =>
        new(seed, RandomPurpose.Mixing, stream, (ulong)epoch);

    // In (0, 1).
    private static double Unit(uint word) => (word + 0.5) * ToUnit;
}
