using System.Collections.Immutable;
using Backprop.Engine.Schedules;
using Backprop.Training.Stopping;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Something that has happened to a run, and is persisted.</summary>
/// <param name="At">When.</param>
public abstract record RunEvent(DateTimeOffset At);

/// <summary>The run was submitted.</summary>
public sealed record RunSubmitted(DateTimeOffset At, RunId Run) : RunEvent(At);

/// <summary>A coordinator has taken the run on.</summary>
/// <param name="At">When.</param>
/// <param name="Term">Its term.</param>
public sealed record CoordinatorTookOver(DateTimeOffset At, Term Term) : RunEvent(At);

/// <summary>A generation was opened.</summary>
/// <param name="At">When.</param>
/// <param name="Number">The generation.</param>
/// <param name="Servers">Its parameter servers, in the order of their slices.</param>
/// <param name="From">The committed checkpoint that its slices open from; null: the first weights.
/// </param>
public sealed record GenerationOpened(
    DateTimeOffset At, Generation Number, ImmutableArray<NodeId> Servers, long? From)
    : RunEvent(At)
{
    /// <summary>The copies in memory that its slices open from instead; null: see
    /// <see cref="From"/>.</summary>
    public CopiesUsed? Copies { get; init; }
}

/// <summary>A set of copies in memory that a generation opens from.</summary>
/// <param name="Position">Where the run stands at their version.</param>
/// <param name="Keepers">Who keeps which blocks: all of them, in order.</param>
public sealed record CopiesUsed(
    TrainingPosition Position, ImmutableArray<CopyKeeper> Keepers)
{
    /// <summary>The version of the copies.</summary>
    public long Version => Position.Step;

    /// <summary>What slices open from.</summary>
    public SliceOrigin.Memory Origin => new(
        Version, CoordinatorState.BestOf(Position), Position.EpochLossSum, Keepers);
}

/// <summary>A generation is over: the run goes back to its newest checkpoint.</summary>
/// <param name="At">When.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="IsFailure">Whether it failed at its work; else it has lost a node.</param>
public sealed record GenerationEnded(DateTimeOffset At, string Reason, bool IsFailure)
    : RunEvent(At);

/// <summary>Micro-batches were shared out.</summary>
/// <param name="At">When.</param>
/// <param name="Revision">Counts the assignments of the generation, from 1.</param>
/// <param name="Ranges">Who computes what, by worker.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record WorkersAssigned(
    DateTimeOffset At, long Revision, ImmutableArray<AssignedRange> Ranges, string Reason)
    : RunEvent(At);

/// <summary>A worker's micro-batches.</summary>
/// <param name="Worker">The worker.</param>
/// <param name="Range">Its micro-batches.</param>
public sealed record AssignedRange(NodeId Worker, MicroBatchRange Range);

/// <summary>Steps were granted.</summary>
/// <param name="At">When.</param>
/// <param name="Lease">Up to where.</param>
public sealed record LeaseGranted(DateTimeOffset At, Lease Lease) : RunEvent(At);

/// <summary>Training is to stand where it is.</summary>
/// <param name="At">When.</param>
/// <param name="Cause">Why.</param>
public sealed record HaltOrdered(DateTimeOffset At, HaltCause Cause) : RunEvent(At);

/// <summary>Training stands, and the lease ends there.</summary>
/// <param name="At">When.</param>
/// <param name="EndVersion">The newest version that any server has.</param>
public sealed record LeaseShortened(DateTimeOffset At, long EndVersion) : RunEvent(At);

/// <summary>An epoch's steps are done, and it is to be judged.</summary>
/// <param name="At">When.</param>
/// <param name="Version">The version it ended with.</param>
/// <param name="LossSum">Sum of its rows' losses.</param>
/// <param name="Layers">Norms of each layer in its last step.</param>
public sealed record EpochTrained(
    DateTimeOffset At, long Version, double LossSum, ImmutableArray<LayerNorms> Layers)
    : RunEvent(At);

/// <summary>An epoch was judged.</summary>
/// <param name="At">When.</param>
/// <param name="Report">What it came to.</param>
/// <param name="Stopping">What early stopping remembers.</param>
/// <param name="Plateau">What is known of a plateau.</param>
/// <param name="Stop">That the run ends; null: it goes on.</param>
public sealed record EpochJudged(
    DateTimeOffset At, EpochReport Report, StoppingState Stopping, PlateauState Plateau,
    StopDecision? Stop) : RunEvent(At);

/// <summary>Training came upon a number that is not finite, and the run ends with the weights
/// before it.</summary>
/// <param name="At">When.</param>
/// <param name="Found">What, and the version to go back to.</param>
public sealed record NonFiniteFound(DateTimeOffset At, NonFiniteStop Found) : RunEvent(At);

/// <summary>A checkpoint is to be saved. One that was begun before is aborted by it.</summary>
/// <param name="At">When.</param>
/// <param name="Position">Where the run stands at its version; the loss of an epoch that is under
/// way is known once it is saved.</param>
/// <param name="Waits">Whether training stands until it is saved.</param>
public sealed record CheckpointBegun(DateTimeOffset At, TrainingPosition Position, bool Waits)
    : RunEvent(At);

/// <summary>A checkpoint could not be saved.</summary>
/// <param name="At">When.</param>
/// <param name="Version">Its version.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="Cause">Why, as far as it decides what comes next.</param>
public sealed record CheckpointAborted(
    DateTimeOffset At, long Version, string Reason, CheckpointLoss Cause = CheckpointLoss.Failed)
    : RunEvent(At);

/// <summary>A checkpoint exists from now on.</summary>
/// <param name="At">When.</param>
/// <param name="Manifest">What it is made of.</param>
public sealed record CheckpointCommitted(DateTimeOffset At, CheckpointManifest Manifest)
    : RunEvent(At);

/// <summary>A checkpoint is needed no longer: whoever stores it may let go of its parts.</summary>
/// <param name="At">When.</param>
/// <param name="Version">Its version.</param>
public sealed record CheckpointRetired(DateTimeOffset At, long Version) : RunEvent(At)
{
    /// <summary>That what is stored of it is not what was saved, in words, so that the run goes
    /// back to one before; null: it is needed no longer.</summary>
    public string? Damage { get; init; }
}

/// <summary>Two workers came to other bits: neither computes until a third one has voted, and the
/// run goes back to before the step.</summary>
/// <param name="At">When.</param>
/// <param name="Generation">The generation that the step was made in.</param>
/// <param name="Dispute">The step and the workers.</param>
public sealed record WorkersDisputed(DateTimeOffset At, Generation Generation, Dispute Dispute)
    : RunEvent(At);

/// <summary>A worker computes no more in this run, and the dispute is settled.</summary>
/// <param name="At">When.</param>
/// <param name="Worker">The worker.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record WorkerQuarantined(DateTimeOffset At, NodeId Worker, string Reason)
    : RunEvent(At);

/// <summary>The user wants the run to pause.</summary>
public sealed record PauseRequested(DateTimeOffset At) : RunEvent(At);

/// <summary>The run pauses.</summary>
/// <param name="At">When.</param>
/// <param name="Cause">Why.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record RunPaused(DateTimeOffset At, PauseCause Cause, string Reason) : RunEvent(At);

/// <summary>The run goes on.</summary>
/// <param name="At">When.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record RunResumed(DateTimeOffset At, string Reason) : RunEvent(At);

/// <summary>What the run came to was examined.</summary>
/// <param name="At">When.</param>
/// <param name="Result">The result.</param>
public sealed record RunCompleted(DateTimeOffset At, TrainingResult Result) : RunEvent(At);

/// <summary>The run cannot go on.</summary>
/// <param name="At">When.</param>
/// <param name="Reason">Why, in words.</param>
public sealed record RunFailed(DateTimeOffset At, string Reason) : RunEvent(At);

/// <summary>The user has ended the run.</summary>
/// <param name="At">When.</param>
/// <param name="Reason">In words, with the newest checkpoint.</param>
public sealed record RunStopped(DateTimeOffset At, string Reason) : RunEvent(At);
