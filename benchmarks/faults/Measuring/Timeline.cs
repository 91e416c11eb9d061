namespace Backprop.Faults.Measuring;

/// <summary>When a run's steps were done. A step is done when the first slice, or rank 0, has come
/// to its version; a version that is made again stands here again.</summary>
internal sealed class Timeline
{
    private readonly List<(long At, long Version)> _steps = [];

    /// <summary>The latest step; null: there was none.</summary>
    public (long At, long Version)? Last => _steps.Count > 0 ? _steps[^1] : null;

    /// <summary>Enters a step, wherever it belongs.</summary>
    public void Add(long at, long version)
    {
        int place = _steps.Count;
        while (place > 0 && _steps[place - 1].At > at)
        {
            place--;
        }

        _steps.Insert(place, (at, version));
    }

    /// <summary>The highest version up to a time; 0: there was none.</summary>
    public long NewestAt(long time)
    {
        long newest = 0;
        foreach ((long at, long version) in _steps)
        {
            newest = at <= time ? Math.Max(newest, version) : newest;
        }

        return newest;
    }

    /// <summary>When the first new step was done of those that began after a time: the version
    /// after the newest may have been under way, the one after that was not. Null: not yet.
    /// </summary>
    public long? NewStepBegunAfter(long time)
    {
        long underWay = NewestAt(time) + 1;
        foreach ((long at, long version) in From(time))
        {
            if (version > underWay)
            {
                return at;
            }
        }

        return null;
    }

    /// <summary>Seconds of the longest step between two times.</summary>
    public double LongestStep(long from, long to) => StepsBetween(from, to).DefaultIfEmpty().Max();

    /// <summary>Seconds of the median step between two times.</summary>
    public double MedianStep(long from, long to)
    {
        double[] sorted = [.. StepsBetween(from, to).Order()];
        return sorted.Length > 0 ? sorted[sorted.Length / 2] : double.NaN;
    }

    /// <summary>Seconds of the step that was under way at a time, until the next version.</summary>
    public double StepAround(long time)
    {
        int next = IndexAfter(time);
        return next > 0 && next < _steps.Count
            ? Clock.Seconds(_steps[next - 1].At, _steps[next].At)
            : double.NaN;
    }

    // Each belongs to the time at which it ends.
    private IEnumerable<double> StepsBetween(long from, long to)
    {
        for (int i = Math.Max(1, IndexAfter(from)); i < _steps.Count && _steps[i].At <= to; i++)
        {
            yield return Clock.Seconds(_steps[i - 1].At, _steps[i].At);
        }
    }

    private IEnumerable<(long At, long Version)> From(long time) => _steps.Skip(IndexAfter(time));

    private int IndexAfter(long time)
    {
        int index = _steps.Count;
        while (index > 0 && _steps[index - 1].At > time)
        {
            index--;
        }

        return index;
    }
}
