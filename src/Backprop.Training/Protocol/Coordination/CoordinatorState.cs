using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>A generation of a run.</summary>
/// <param name="Number">Its number.</param>
/// <param name="Servers">Its parameter servers, in the order of their slices.</param>
/// <param name="Origin">What its slices opened from.</param>
/// <param name="Revision">Counts its assignments.</param>
/// <param name="Assigned">Who computes what; none: nobody does.</param>
/// <param name="IsOver">Whether nodes are to let go of it.</param>
public sealed record RunGeneration(
    Generation Number, ImmutableArray<NodeId> Servers, SliceOrigin Origin, long Revision,
    ImmutableArray<AssignedRange> Assigned, bool IsOver)
{
    /// <summary>When it was opened.</summary>
    public DateTimeOffset OpenedAt { get; init; }

    /// <summary>The micro-batches of a worker.</summary>
    public MicroBatchRange RangeOf(NodeId worker) =>
        Assigned.FirstOrDefault(entry => entry.Worker == worker)?.Range ?? MicroBatchRange.None;

    /// <summary>The micro-batches of all workers that have any: to be asked instead where many are
    /// looked up.</summary>
    public IReadOnlyDictionary<NodeId, MicroBatchRange> Ranges() =>
        Assigned.ToDictionary(entry => entry.Worker, entry => entry.Range);
}

/// <summary>
/// What is durably known of one run: the phase of the run, its generation, its epochs and its
/// checkpoints. It is what its events make of it, and nothing else: times lie in the events.
/// </summary>
public sealed record CoordinatorState
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }

    /// <summary>The coordinator's term; 0 before the first.</summary>
    public Term Term { get; init; }

    /// <summary>When the term began.</summary>
    public DateTimeOffset TookOverAt { get; init; }

    /// <summary>What the run is at.</summary>
    public required RunPhase Phase { get; init; }

    /// <summary>Its last generation; null: none was opened.</summary>
    public RunGeneration? Generation { get; init; }

    /// <summary>Where it stands, as of the last judged epoch or the checkpoint it went back to.
    /// </summary>
    public TrainingPosition Position { get; init; } = TrainingPosition.Start;

    /// <summary>The committed checkpoints that are kept, oldest first.</summary>
    public ImmutableArray<CheckpointManifest> Checkpoints { get; init; } = [];

    /// <summary>The checkpoint that is being saved; null: none.</summary>
    public TrainingPosition? Saving { get; init; }

    /// <summary>When the last checkpoint was committed, or the generation opened.</summary>
    public DateTimeOffset CheckpointedAt { get; init; }

    /// <summary>When the last attempt to save one failed; null: it did not.</summary>
    public DateTimeOffset? CheckpointFailedAt { get; init; }

    /// <summary>Attempts, one after the other, of which servers were past the version before they
    /// heard of it.</summary>
    public int CheckpointsPassed { get; init; }

    /// <summary>Epochs judged since the last checkpoint was begun.</summary>
    public int EpochsSinceCheckpoint { get; init; }

    /// <summary>Generations that failed since there was any progress.</summary>
    public int FailedGenerations { get; init; }

    /// <summary>How often the checkpoint of the final weights was found damaged, and the last steps
    /// were to be made again.</summary>
    public int DamagedEnds { get; init; }

    /// <summary>Two workers that came to other bits, until a third one has voted; null: none did.
    /// </summary>
    public Dispute? Dispute { get; init; }

    /// <summary>The generation that the step of <see cref="Dispute"/> was made in.</summary>
    public Generation? DisputedIn { get; init; }

    /// <summary>Workers that compute no more in this run.</summary>
    public ImmutableSortedSet<NodeId> Quarantined { get; init; } = [];

    /// <summary>Whether the user waits for it to pause.</summary>
    public bool IsPauseRequested { get; init; }

    /// <summary>Time spent on it, that without a coordinator excepted.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>When the last event happened.</summary>
    public DateTimeOffset LastEventAt { get; init; }

    /// <summary>The version of the best weights; null: no epoch was the best yet.</summary>
    public long? BestVersion => BestOf(Position);

    /// <summary>The newest checkpoint; null: none was committed.</summary>
    public CheckpointManifest? Newest => Checkpoints.IsEmpty ? null : Checkpoints[^1];

    /// <summary>The generation that nodes are to hold; null: none.</summary>
    public RunGeneration? Open => Generation is { IsOver: false } open ? open : null;

    /// <summary>The state of a run that was just submitted.</summary>
    public static CoordinatorState Of(RunSubmitted submitted) => new()
    {
        Run = submitted.Run,
        Phase = new RunPhase.Queued("it was just submitted"),
        LastEventAt = submitted.At,
        CheckpointedAt = submitted.At,
    };

    /// <summary>The state that all of a run's events have led to.</summary>
    /// <exception cref="ArgumentException">The first is not that of its submission.</exception>
    public static CoordinatorState Replay(IEnumerable<RunEvent> events)
    {
        CoordinatorState? state = null;
        foreach (RunEvent happened in events)
        {
            state = state?.Apply(happened) ?? (happened is RunSubmitted submitted
                ? Of(submitted)
                : throw new ArgumentException($"{happened} before the run was submitted"));
        }

        return state ?? throw new ArgumentException("a run without events");
    }

    /// <summary>The state after one more event.</summary>
    /// <exception cref="InvalidOperationException">It cannot have happened in this state.
    /// </exception>
    public CoordinatorState Apply(RunEvent happened)
    {
        CoordinatorState next = happened switch
        {
            CoordinatorTookOver took => this with { Term = took.Term, TookOverAt = took.At },
            GenerationOpened opened => Enter(opened),
            GenerationEnded ended => Enter(ended),
            WorkersAssigned assigned => this with
            {
                Generation = Running(happened) with
                {
                    Revision = assigned.Revision,
                    Assigned = assigned.Ranges,
                },
            },
            LeaseGranted granted => this with
            {
                Phase = new RunPhase.Training(granted.Lease, null, null),
            },
            HaltOrdered halted => this with
            {
                Phase = TrainingAt(happened) with { Halt = halted.Cause },
            },
            LeaseShortened shortened => this with { Phase = Shorten(shortened) },
            EpochTrained trained => this with
            {
                Phase = new RunPhase.Evaluating(
                    trained.Version, trained.LossSum, trained.Layers, TrainingAt(happened).Ends),
            },
            EpochJudged judged => Enter(judged),
            CheckpointBegun or CheckpointAborted or CheckpointCommitted or CheckpointRetired
                or NonFiniteFound => EnterCheckpoint(happened),
            _ => EnterCourse(happened),
        };
        return next with
        {
            Elapsed = Elapsed + TimeSince(happened),
            LastEventAt = happened.At,
        };
    }

    /// <summary>The version of the best weights at a position; null: no epoch was the best.
    /// </summary>
    public static long? BestOf(TrainingPosition position) =>
        position.History.LastOrDefault(report => report.IsBest)?.StepsDone;

    /// <summary>Time spent until a moment.</summary>
    public TimeSpan ElapsedAt(DateTimeOffset now) =>
        IsWorking && now > LastEventAt ? Elapsed + (now - LastEventAt) : Elapsed;

    private bool IsWorking =>
        Phase is RunPhase.Training or RunPhase.Evaluating or RunPhase.Checkpointing;

    private TimeSpan TimeSince(RunEvent happened) => happened is CoordinatorTookOver
        ? TimeSpan.Zero
        : ElapsedAt(happened.At) - Elapsed;

    private RunGeneration Running(RunEvent happened) => Open
        ?? throw new InvalidOperationException($"{happened} while no generation is open");

    private RunPhase.Training TrainingAt(RunEvent happened) => Phase as RunPhase.Training
        ?? throw new InvalidOperationException($"{happened} while the run is {Phase}");

    private TrainingPosition Begun(RunEvent happened) => Saving
        ?? throw new InvalidOperationException($"{happened} while no checkpoint is being saved");

    private CoordinatorState Enter(GenerationOpened opened)
    {
        CheckpointManifest? from = opened.From is null
            ? null
            : Checkpoints.First(kept => kept.Version == opened.From);

        // Journals keep positions without the reports, which stand in the events before.
        CopiesUsed? copies = opened.Copies is { } used
            ? used with
            {
                Position = used.Position with
                {
                    History =
                    [
                        .. Position.History.Where(report => report.StepsDone <= used.Version),
                    ],
                },
            }
            : null;
        return this with
        {
            Phase = new RunPhase.Opening(opened.At),
            Generation = new RunGeneration(
                opened.Number, opened.Servers,
                copies?.Origin ?? from?.Origin ?? new SliceOrigin.FirstWeights() as SliceOrigin,
                0, [], false)
            {
                OpenedAt = opened.At,
            },
            Position = copies?.Position ?? from?.Position ?? TrainingPosition.Start,
            Saving = null,
            CheckpointedAt = opened.At,
            CheckpointFailedAt = null,
            CheckpointsPassed = 0,
            EpochsSinceCheckpoint = 0,
        };
    }

    private CoordinatorState Enter(GenerationEnded ended) => this with
    {
        Phase = new RunPhase.Queued(ended.Reason),
        Generation = Running(ended) with { IsOver = true, Assigned = [] },
        Saving = null,
        FailedGenerations = ended.IsFailure ? FailedGenerations + 1 : FailedGenerations,
    };

    private RunPhase.Training Shorten(LeaseShortened shortened)
    {
        RunPhase.Training training = TrainingAt(shortened);
        return new RunPhase.Training(
            training.Lease with { EndVersion = shortened.EndVersion }, null, training.Halt);
    }

    private CoordinatorState Enter(EpochJudged judged) => this with
    {
        Phase = judged.Stop is { } stop
            ? new RunPhase.Checkpointing(judged.Report.StepsDone, 1, stop)
            : Phase,
        Position = Position with
        {
            Step = judged.Report.StepsDone,
            EpochLossSum = 0,
            EpochRows = 0,
            Stopping = judged.Stopping,
            Plateau = judged.Plateau,
            History = Position.History.Add(judged.Report),
            Ended = judged.Stop,
        },
        EpochsSinceCheckpoint = EpochsSinceCheckpoint + 1,
        FailedGenerations = 0,
    };

    private CoordinatorState EnterCheckpoint(RunEvent happened) => happened switch
    {
        NonFiniteFound lost => this with
        {
            Phase = new RunPhase.Checkpointing(
                lost.Found.LastGoodVersion, 1,
                new StopDecision(StopKind.NonFinite, lost.Found.What)),
            Saving = null,
        },
        CheckpointBegun begun => this with
        {
            // Journals keep positions without the reports, which stand in the events before.
            Saving = begun.Position with { History = Position.History },
            EpochsSinceCheckpoint = 0,
            Phase = !begun.Waits ? Phase
                : Phase is RunPhase.Checkpointing ? Phase
                : new RunPhase.Checkpointing(begun.Position.Step, 1, null),
        },
        // Nothing is wrong with the database, so the next one has not to wait.
        CheckpointAborted { Cause: CheckpointLoss.Passed }
            when Phase is not RunPhase.Checkpointing => this with
            {
                Saving = null,
                CheckpointsPassed = CheckpointsPassed + 1,
            },
        CheckpointAborted => this with
        {
            Saving = null,
            CheckpointFailedAt = happened.At,
            Phase = Phase is RunPhase.Checkpointing waiting
                ? waiting with { Attempt = waiting.Attempt + 1 }
                : Phase,
        },
        CheckpointCommitted committed => this with
        {
            Saving = null,
            Checkpoints = Checkpoints
                .RemoveAll(kept => kept.Version == committed.Manifest.Version)
                .Add(committed.Manifest with
                {
                    Position = committed.Manifest.Position with
                    {
                        History = Begun(committed).History,
                    },
                }),
            CheckpointedAt = happened.At,
            CheckpointFailedAt = null,
            CheckpointsPassed = 0,
            FailedGenerations = 0,
            Phase = Phase is RunPhase.Checkpointing { Stop: { } stop } done
                && done.Version == committed.Manifest.Version
                ? new RunPhase.Concluding(done.Version, stop)
                : Phase,
            Generation = Phase is RunPhase.Checkpointing { Stop: not null } && Open is { } open
                ? open with { IsOver = true, Assigned = [] }
                : Generation,
        },
        CheckpointRetired retired => this with
        {
            Checkpoints = Checkpoints.RemoveAll(kept => kept.Version == retired.Version),
            // From another one it may well open.
            FailedGenerations = retired.Damage is null ? FailedGenerations : 0,
            DamagedEnds = IsEnd(retired) ? DamagedEnds + 1 : DamagedEnds,
            Phase = IsEnd(retired)
                ? new RunPhase.Queued(
                    $"its final weights, of version {retired.Version}, are damaged")
                : Phase,
        },
        _ => throw new InvalidOperationException($"unknown event {happened}"),
    };

    // Nothing that was not damaged is let go of while the run's end is being examined.
    private bool IsEnd(CheckpointRetired retired) =>
        Phase is RunPhase.Concluding concluding && concluding.Checkpoint == retired.Version;

    private CoordinatorState EnterCourse(RunEvent happened) => happened switch
    {
        WorkersDisputed disputed => this with
        {
            Dispute = disputed.Dispute,
            DisputedIn = disputed.Generation,
        },
        WorkerQuarantined quarantined => this with
        {
            Dispute = null,
            DisputedIn = null,
            Quarantined = Quarantined.Add(quarantined.Worker),
        },
        PauseRequested => this with { IsPauseRequested = true },
        RunPaused { Cause: PauseCause.TooFewWorkers } paused => this with
        {
            Phase = new RunPhase.Paused(paused.Cause, paused.Reason, TrainingAt(paused)),
        },
        RunPaused paused => LetGo() with
        {
            Phase = new RunPhase.Paused(paused.Cause, paused.Reason, null),
            IsPauseRequested = false,
        },
        RunResumed resumed => this with
        {
            Phase = (Phase as RunPhase.Paused)?.Interrupted as RunPhase
                ?? new RunPhase.Queued(resumed.Reason),
        },
        RunCompleted completed => LetGo() with
        {
            Phase = new RunPhase.Completed(completed.Result with
            {
                History = Newest?.Position.History ?? [],
            }),
        },
        RunFailed failed => LetGo() with { Phase = new RunPhase.Failed(failed.Reason) },
        RunStopped stopped => LetGo() with { Phase = new RunPhase.Stopped(stopped.Reason) },
        _ => throw new InvalidOperationException($"unknown event {happened}"),
    };

    private CoordinatorState LetGo() => this with
    {
        Saving = null,
        Generation = Generation is { } last ? last with { IsOver = true, Assigned = [] } : null,
    };
}
