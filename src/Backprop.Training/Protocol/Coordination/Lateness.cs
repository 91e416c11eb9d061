using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>A worker whose micro-batches a step had to wait for.</summary>
/// <param name="Since">When it was asked whether it is there.</param>
/// <param name="LastStep">The step that waited last.</param>
/// <param name="Steps">How many did.</param>
/// <param name="LastWait">When one did last.</param>
/// <param name="Status">The number of its latest status when it was asked: a later one answers.
/// </param>
/// <param name="Until">It has nothing assigned before this, nor before it answers; null: it has.
/// </param>
/// <param name="Exclusion">How long it has nothing assigned the next time.</param>
public sealed record LateWorker(
    DateTimeOffset Since, long LastStep, int Steps, DateTimeOffset LastWait, long Status,
    DateTimeOffset? Until, TimeSpan Exclusion);

/// <summary>
/// Who had better compute nothing for the moment. Others help a late worker out step by step; one
/// that does not answer either, or is late step after step, would cost a wait in each. It gets no
/// micro-batches until it answers again and some time has passed, longer each time. A value; not
/// persisted, since it is learned again.
/// </summary>
public sealed record Lateness
{
    /// <summary>Steps one after the other that a worker may hold up.</summary>
    public const int MaxSteps = 3;

    private static readonly TimeSpan s_firstExclusion = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_longestExclusion = TimeSpan.FromMinutes(1);

    // Whoever was on time for so long is as good as any.
    private static readonly TimeSpan s_forgotten = TimeSpan.FromSeconds(30);

    /// <summary>Nobody is late.</summary>
    public static Lateness None { get; } = new();

    /// <summary>Workers that were late.</summary>
    public ImmutableSortedDictionary<NodeId, LateWorker> Workers { get; init; } =
        ImmutableSortedDictionary<NodeId, LateWorker>.Empty;

    /// <summary>Whether a worker is to have nothing assigned.</summary>
    public bool IsExcluded(NodeId worker) =>
        Workers.GetValueOrDefault(worker)?.Until is not null;

    /// <summary>Since when a worker is asked whether it is there; null: it is not asked.</summary>
    public DateTimeOffset? AskedSince(NodeId worker) => Workers.GetValueOrDefault(worker)?.Since;

    /// <summary>With what a step waits for.</summary>
    /// <param name="wait">That.</param>
    /// <param name="open">Who is assigned what.</param>
    /// <param name="statuses">The latest statuses of workers.</param>
    /// <param name="now">The time.</param>
    public Lateness With(
        SliceWait wait, RunGeneration open,
        ImmutableSortedDictionary<NodeId, WorkerStatus> statuses, DateTimeOffset now)
    {
        Lateness next = this;
        foreach (AssignedRange entry in open.Assigned)
        {
            LateWorker? known = Workers.GetValueOrDefault(entry.Worker);
            if (!wait.Lacks(entry.Range) || known?.LastStep >= wait.Step)
            {
                continue;
            }

            long status = statuses.GetValueOrDefault(entry.Worker)?.Number ?? 0;
            LateWorker late = known ?? new LateWorker(
                now, wait.Step, 0, now, status, null, s_firstExclusion);
            late = late with { LastStep = wait.Step, Steps = late.Steps + 1, LastWait = now };
            late = status > late.Status ? late with { Since = now, Status = status } : late;
            next = next.Set(
                entry.Worker, late.Steps >= MaxSteps ? Exclude(late, now) : late);
        }

        return next;
    }

    /// <summary>As it is some time later.</summary>
    /// <param name="statuses">The latest statuses of workers.</param>
    /// <param name="patience">A worker that is asked has to answer within this.</param>
    /// <param name="now">The time.</param>
    public Lateness At(
        ImmutableSortedDictionary<NodeId, WorkerStatus> statuses, TimeSpan patience,
        DateTimeOffset now)
    {
        Lateness next = this;
        foreach ((NodeId worker, LateWorker late) in Workers)
        {
            bool answers = statuses.GetValueOrDefault(worker)?.Number > late.Status;
            if (late.Until is { } until)
            {
                next = answers && now >= until
                    ? next.Set(worker, late with { Until = null, Since = now, Steps = 0 })
                    : next;
            }
            else if (!answers && now - late.Since >= patience)
            {
                next = next.Set(worker, Exclude(late, now));
            }
            else if (now - late.LastWait >= s_forgotten && now - late.Since >= s_forgotten)
            {
                next = next with { Workers = next.Workers.Remove(worker) };
            }
        }

        return next;
    }

    /// <summary>Without those who are gone.</summary>
    public Lateness Without(Func<NodeId, bool> isGone) => Workers.Keys.Any(isGone)
        ? this with { Workers = Workers.RemoveRange(Workers.Keys.Where(isGone)) }
        : this;

    private static LateWorker Exclude(LateWorker late, DateTimeOffset now) => late with
    {
        Until = now + late.Exclusion,
        Exclusion = 2 * late.Exclusion < s_longestExclusion
            ? 2 * late.Exclusion
            : s_longestExclusion,
    };

    private Lateness Set(NodeId worker, LateWorker late) =>
        this with { Workers = Workers.SetItem(worker, late) };
}
