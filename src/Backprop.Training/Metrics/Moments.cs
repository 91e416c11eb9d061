using System.Numerics;

namespace Backprop.Training.Metrics;

/// <summary>Count, mean and sum of squared deviations of a set of values, mergeable without the
/// cancellation that Σx² − (Σx)²/n suffers. Chan, Golub, LeVeque, "Updating formulae and a pairwise
/// algorithm for computing sample variances", 1979, equations 2.1.</summary>
/// <param name="Count">Values.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="SquaredDeviations">Σ(x − mean)².</param>
public readonly record struct Moments(long Count, double Mean, double SquaredDeviations)
    : IAdditionOperators<Moments, Moments, Moments>
{
    /// <summary>With one value more. Welford's update.</summary>
    public Moments With(double value)
    {
        long count = Count + 1;
        double fromOldMean = value - Mean;
        double mean = Mean + (fromOldMean / count);
        return new Moments(count, mean, SquaredDeviations + (fromOldMean * (value - mean)));
    }

    /// <summary>The moments of both sets together.</summary>
    public static Moments operator +(Moments left, Moments right)
    {
        if (left.Count == 0 || right.Count == 0)
        {
            return left.Count == 0 ? right : left;
        }

        long count = left.Count + right.Count;
        double between = right.Mean - left.Mean;
        return new Moments(
            count,
            left.Mean + (between * right.Count / count),
            left.SquaredDeviations + right.SquaredDeviations
                + (between * between * left.Count * right.Count / count));
    }
}
