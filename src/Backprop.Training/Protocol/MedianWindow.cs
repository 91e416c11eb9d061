namespace Backprop.Training.Protocol;

/// <summary>The median of the last few durations: a few odd ones do not move it. Allocates nothing
/// after its making.</summary>
public sealed class MedianWindow
{
    private readonly long[] _ticks = new long[15];
    private readonly long[] _sorted = new long[15];
    private int _count;

    /// <summary>The median; null: there is no duration yet.</summary>
    public TimeSpan? Median { get; private set; }

    /// <summary>Takes in one more; one below zero counts as zero.</summary>
    public void Add(TimeSpan duration)
    {
        _ticks[_count % _ticks.Length] = Math.Max(0, duration.Ticks);
        _count++;
        int known = Math.Min(_count, _ticks.Length);
        Array.Copy(_ticks, _sorted, known);
        Array.Sort(_sorted, 0, known);
        Median = TimeSpan.FromTicks(_sorted[known / 2]);
    }
}
