namespace Backprop.Faults.Lines;

/// <summary>A kill at a random time: the times between kills are exponentially distributed.
/// </summary>
/// <param name="After">When, from the beginning.</param>
/// <param name="Draw">Who is hit: a number in [0, 1).</param>
internal readonly record struct PlannedKill(TimeSpan After, double Draw)
{
    /// <summary>The mean time between two.</summary>
    public static TimeSpan MeanTimeBetween { get; } = TimeSpan.FromSeconds(60);

    /// <summary>The kills of a seed.</summary>
    /// <param name="seed">The seed.</param>
    /// <param name="length">They end before this.</param>
    public static IEnumerable<PlannedKill> Of(int seed, TimeSpan length)
    {
        var random = new Random(seed);
        TimeSpan after = TimeSpan.Zero;
        while (true)
        {
            after += -Math.Log(1 - random.NextDouble()) * MeanTimeBetween;
            if (after >= length)
            {
                yield break;
            }

            yield return new PlannedKill(after, random.NextDouble());
        }
    }
}
