using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>What a run in the queue is at.</summary>
public enum QueueStanding
{
    /// <summary>It waits for its turn.</summary>
    Waiting,

    /// <summary>It was granted workers.</summary>
    Running,

    /// <summary>The user has it paused; it takes no turn.</summary>
    Paused,
}

/// <summary>A run in the queue.</summary>
/// <param name="Run">The run.</param>
/// <param name="Priority">A higher one goes first.</param>
/// <param name="MinWorkers">Workers that it needs.</param>
/// <param name="MaxWorkers">Workers that it can use.</param>
/// <param name="Ticket">Of equal priorities, the lower one goes first.</param>
/// <param name="Standing">What it is at.</param>
/// <param name="Workers">Those granted to it, in order; none unless it runs.</param>
public sealed record QueuedRun(
    RunId Run, int Priority, int MinWorkers, int MaxWorkers, long Ticket, QueueStanding Standing,
    ImmutableArray<NodeId> Workers);

/// <summary>Something that has happened to the queue, and is persisted.</summary>
public abstract record QueueEvent(DateTimeOffset At);

/// <summary>A run has entered the queue.</summary>
/// <param name="At">When.</param>
/// <param name="Run">The run.</param>
/// <param name="Priority">A higher one goes first.</param>
/// <param name="MinWorkers">Workers that it needs.</param>
/// <param name="MaxWorkers">Workers that it can use.</param>
public sealed record RunQueued(
    DateTimeOffset At, RunId Run, int Priority, int MinWorkers, int MaxWorkers) : QueueEvent(At);

/// <summary>A run takes no turn until it is released.</summary>
public sealed record QueuedRunHeld(DateTimeOffset At, RunId Run) : QueueEvent(At);

/// <summary>A run takes its turn again.</summary>
public sealed record QueuedRunReleased(DateTimeOffset At, RunId Run) : QueueEvent(At);

/// <summary>A run has left the queue, at its end or cancelled.</summary>
public sealed record RunDequeued(DateTimeOffset At, RunId Run) : QueueEvent(At);

/// <summary>What a run may use has changed.</summary>
/// <param name="At">When.</param>
/// <param name="Run">The run.</param>
/// <param name="Workers">All that it may use; none: it is not its turn.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record WorkersGranted(
    DateTimeOffset At, RunId Run, ImmutableArray<NodeId> Workers, string Reason) : QueueEvent(At);

/// <summary>Something that the queue is told.</summary>
public abstract record QueueCommand
{
    private QueueCommand()
    {
    }

    /// <summary>Enter a run.</summary>
    /// <param name="Run">The run.</param>
    /// <param name="Priority">A higher one goes first.</param>
    /// <param name="MinWorkers">Workers that it needs.</param>
    /// <param name="MaxWorkers">Workers that it can use.</param>
    public sealed record Submit(RunId Run, int Priority, int MinWorkers, int MaxWorkers)
        : QueueCommand;

    /// <summary>Take a run out, whatever it is at: it is cancelled, or over.</summary>
    public sealed record Remove(RunId Run) : QueueCommand;

    /// <summary>Let a run take no turn. To be said once it has saved its checkpoint: its workers go
    /// to others.</summary>
    public sealed record Pause(RunId Run) : QueueCommand;

    /// <summary>Let a run take its turn again.</summary>
    public sealed record Resume(RunId Run) : QueueCommand;

    /// <summary>Share out these workers, and no others.</summary>
    public sealed record ShareOut(ImmutableArray<NodeId> Workers) : QueueCommand;
}

/// <summary>What the queue decides.</summary>
/// <param name="Events">What has happened by it.</param>
/// <param name="Refusal">Why the command changed nothing, in words; null: it was done.</param>
/// <param name="Next">What to decide on next.</param>
public sealed record QueueDecision(
    ImmutableArray<QueueEvent> Events, string? Refusal, RunQueue Next);

/// <summary>
/// Which runs may train, and with which workers. Runs go in the order of priority and then of
/// submission. One that runs keeps its turn; what it has beyond its need goes to those who wait,
/// and what is left is shared out in the same order.
/// </summary>
public sealed record RunQueue
{
    /// <summary>Runs that may be in the queue at once.</summary>
    public const int MaxRuns = 10_000;

    /// <summary>Without runs.</summary>
    public static RunQueue Empty { get; } = new();

    /// <summary>The runs, first those who go first.</summary>
    public ImmutableArray<QueuedRun> Runs { get; init; } = [];

    /// <summary>Counts those who entered.</summary>
    public long Tickets { get; init; }

    /// <summary>The workers that there are, in order; as last told, and not persisted.</summary>
    public ImmutableArray<NodeId> Workers { get; init; } = [];

    /// <summary>Decides on a command.</summary>
    /// <param name="command">What the queue is told.</param>
    /// <param name="now">The time.</param>
    public QueueDecision Decide(QueueCommand command, DateTimeOffset now)
    {
        (QueueEvent? happened, string? refusal) = EventOf(command, now);
        if (refusal is not null)
        {
            return new QueueDecision([], refusal, this);
        }

        var events = ImmutableArray.CreateBuilder<QueueEvent>();
        RunQueue next = command is QueueCommand.ShareOut(var workers)
            ? this with { Workers = [.. workers.Distinct().Order()] }
            : this;
        if (happened is not null)
        {
            events.Add(happened);
            next = next.Apply(happened);
        }

        foreach (WorkersGranted granted in next.Share(now))
        {
            events.Add(granted);
            next = next.Apply(granted);
        }

        return new QueueDecision(events.ToImmutable(), null, next);
    }

    /// <summary>The queue after one more event.</summary>
    public RunQueue Apply(QueueEvent happened) => happened switch
    {
        RunQueued queued => this with
        {
            Tickets = Tickets + 1,
            Runs =
            [
                .. Runs.Add(new QueuedRun(
                    queued.Run, queued.Priority, queued.MinWorkers, queued.MaxWorkers, Tickets,
                    QueueStanding.Waiting, []))
                    .OrderByDescending(run => run.Priority).ThenBy(run => run.Ticket),
            ],
        },
        RunDequeued gone => this with { Runs = Runs.RemoveAll(run => run.Run == gone.Run) },
        QueuedRunHeld held => Change(
            held.Run, run => run with { Standing = QueueStanding.Paused, Workers = [] }),
        QueuedRunReleased released => Change(
            released.Run, run => run with { Standing = QueueStanding.Waiting }),
        WorkersGranted granted => Change(granted.Run, run => run with
        {
            Workers = granted.Workers,
            Standing = run.Standing == QueueStanding.Paused ? QueueStanding.Paused
                : granted.Workers.IsEmpty ? QueueStanding.Waiting : QueueStanding.Running,
        }),
        _ => throw new InvalidOperationException($"unknown event {happened}"),
    };

    /// <summary>What a run waits for, in words; null: it is not in the queue.</summary>
    public string? ReasonOf(RunId id)
    {
        QueuedRun? run = Runs.FirstOrDefault(one => one.Run == id);
        return run?.Standing switch
        {
            null => null,
            QueueStanding.Running => $"it has {Counted.Of(run.Workers.Length, "worker")}",
            QueueStanding.Paused => "it is paused",
            _ => $"it needs {Counted.Of(run.MinWorkers, "worker")} of {Workers.Length}, behind"
                + $" {Counted.Of(Runs.IndexOf(run), "run")} in the queue",
        };
    }

    private (QueueEvent? Happened, string? Refusal) EventOf(
        QueueCommand command, DateTimeOffset now) => command switch
    {
        QueueCommand.Submit submit => RefusalOf(submit) is { } refusal
            ? (null, refusal)
            : (new RunQueued(
                now, submit.Run, submit.Priority, submit.MinWorkers, submit.MaxWorkers), null),
        QueueCommand.Remove(var id) => Find(id) is null
            ? (null, $"run {id} is not in the queue")
            : (new RunDequeued(now, id), null),
        QueueCommand.Pause(var id) => Find(id)?.Standing switch
        {
            null => (null, $"run {id} is not in the queue"),
            QueueStanding.Paused => (null, $"run {id} is paused already"),
            _ => (new QueuedRunHeld(now, id), null),
        },
        QueueCommand.Resume(var id) => Find(id)?.Standing switch
        {
            null => (null, $"run {id} is not in the queue"),
            QueueStanding.Paused => (new QueuedRunReleased(now, id), null),
            _ => (null, $"run {id} is not paused"),
        },
        _ => (null, null),
    };

    private RunQueue Change(RunId id, Func<QueuedRun, QueuedRun> change) => this with
    {
        Runs = [.. Runs.Select(run => run.Run == id ? change(run) : run)],
    };

    private QueuedRun? Find(RunId id) => Runs.FirstOrDefault(run => run.Run == id);

    private string? RefusalOf(QueueCommand.Submit submit)
    {
        if (Find(submit.Run) is not null)
        {
            return $"run {submit.Run} is in the queue already";
        }

        if (submit.MinWorkers < 1 || submit.MaxWorkers < submit.MinWorkers)
        {
            return $"run {submit.Run} wants {submit.MinWorkers} to {submit.MaxWorkers} workers:"
                + " at least 1, and at most as many as at least";
        }

        return Runs.Length >= MaxRuns ? $"the queue is full: {MaxRuns} runs wait" : null;
    }

    // Those who shrink come first, so that no worker is ever granted twice.
    private IEnumerable<WorkersGranted> Share(DateTimeOffset now)
    {
        int[] counts = Counts();
        var free = new List<NodeId>(Workers);
        var kept = new ImmutableArray<NodeId>[Runs.Length];
        for (int i = 0; i < Runs.Length; i++)
        {
            kept[i] = [.. Runs[i].Workers.Where(Workers.Contains).Take(counts[i])];
            free.RemoveAll(kept[i].Contains);
        }

        var grants = new List<WorkersGranted>();
        for (int i = 0; i < Runs.Length; i++)
        {
            int more = counts[i] - kept[i].Length;
            ImmutableArray<NodeId> workers = [.. kept[i].Concat(free.Take(more)).Order()];
            free.RemoveRange(0, more);
            if (!workers.AsSpan().SequenceEqual(Runs[i].Workers.AsSpan()))
            {
                grants.Add(new WorkersGranted(
                    now, Runs[i].Run, workers,
                    $"{workers.Length} of {Counted.Of(Workers.Length, "worker")}, of the"
                    + $" {Runs[i].MinWorkers} to {Runs[i].MaxWorkers} that it wants"));
            }
        }

        return grants.OrderBy(grant => grant.Workers.Length - Find(grant.Run)!.Workers.Length);
    }

    // Workers of each run: first what those need who have their turn, then what those need who
    // wait, then what is left.
    private int[] Counts()
    {
        var counts = new int[Runs.Length];
        int left = Workers.Length;
        foreach (QueueStanding standing in new[] { QueueStanding.Running, QueueStanding.Waiting })
        {
            for (int i = 0; i < Runs.Length; i++)
            {
                if (Runs[i].Standing == standing && Runs[i].MinWorkers <= left)
                {
                    counts[i] = Runs[i].MinWorkers;
                    left -= counts[i];
                }
                else if (Runs[i].Standing == QueueStanding.Waiting && standing == Runs[i].Standing)
                {
                    // Whoever goes first is not passed by smaller runs for ever.
                    break;
                }
            }
        }

        for (int i = 0; i < Runs.Length; i++)
        {
            int more = counts[i] > 0 ? Math.Min(left, Runs[i].MaxWorkers - counts[i]) : 0;
            counts[i] += more;
            left -= more;
        }

        // One that had its turn and has too few now pauses, but keeps those of no use to others.
        for (int i = 0; i < Runs.Length; i++)
        {
            if (counts[i] == 0 && Runs[i].Standing == QueueStanding.Running)
            {
                counts[i] = Math.Min(left, Runs[i].MaxWorkers);
                left -= counts[i];
            }
        }

        return counts;
    }
}
