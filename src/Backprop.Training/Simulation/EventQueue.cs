namespace Backprop.Training.Simulation;

/// <summary>How long something in a simulated cluster lives: what was to happen to it afterwards
/// does not, and while it stands still it waits.</summary>
internal sealed class Lifetime
{
    /// <summary>Whether it is dead.</summary>
    public bool IsOver { get; private set; }

    /// <summary>It stands still until then.</summary>
    public TimeSpan ResumesAt { get; private set; }

    public void End() => IsOver = true;

    public void StandStill(TimeSpan until) => ResumesAt = until > ResumesAt ? until : ResumesAt;

    public void Resume(TimeSpan now) => ResumesAt = now < ResumesAt ? now : ResumesAt;
}

/// <summary>What is to happen, in virtual time. Of what happens at one moment, that comes first
/// which was put in first.</summary>
internal sealed class EventQueue
{
    private readonly PriorityQueue<(Lifetime? Of, Action Act), (long Ticks, long Order)> _queue =
        new();

    private long _order;

    /// <summary>The time.</summary>
    public TimeSpan Now { get; private set; }

    /// <summary>What has happened so far.</summary>
    public long Events { get; private set; }

    /// <summary>Lets something happen after a while, to whatever lives until then.</summary>
    public void After(TimeSpan delay, Lifetime? of, Action act) =>
        _queue.Enqueue((of, act), ((Now + delay).Ticks, _order++));

    /// <summary>The next thing to happen, which is now; null: nothing is.</summary>
    public Action? Next()
    {
        while (_queue.TryDequeue(out (Lifetime? Of, Action Act) next, out var at))
        {
            if (next.Of is { IsOver: true })
            {
                continue;
            }

            if (next.Of is { } life && life.ResumesAt.Ticks > at.Ticks)
            {
                _queue.Enqueue(next, (life.ResumesAt.Ticks, at.Order));
                continue;
            }

            Now = TimeSpan.FromTicks(at.Ticks);
            Events++;
            return next.Act;
        }

        return null;
    }

    /// <summary>Forgets what is to happen.</summary>
    public void Clear() => _queue.Clear();
}
