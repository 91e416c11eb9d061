using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>Why training is brought to a stand before its lease ends.</summary>
public enum HaltCause
{
    /// <summary>The user wants it to pause.</summary>
    Pause,

    /// <summary><see cref="StopRules.MaxTime"/> is over.</summary>
    MaxTime,

    /// <summary>A checkpoint is due by time; training goes on at once.</summary>
    Checkpoint,

    /// <summary>A parameter server leaves, and its slice is saved before; training goes on without
    /// it.</summary>
    Leave,

    /// <summary>More parameter servers are there than it has, and it is saved before; training goes
    /// on with them.</summary>
    Spread,
}

/// <summary>Why a run pauses.</summary>
public enum PauseCause
{
    /// <summary>The user wants it; so does its end.</summary>
    User,

    /// <summary>There are fewer workers than it needs; with them it goes on by itself.</summary>
    TooFewWorkers,
}

/// <summary>What a run is at.</summary>
public abstract record RunPhase
{
    private RunPhase()
    {
    }

    /// <summary>Whether it is over.</summary>
    public virtual bool IsFinal => false;

    /// <summary>It holds nothing in the cluster, and waits for its turn or for nodes.</summary>
    /// <param name="Reason">For what, in words.</param>
    public sealed record Queued(string Reason) : RunPhase;

    /// <summary>Slices and replicas of its generation are being opened.</summary>
    /// <param name="Since">When that began.</param>
    public sealed record Opening(DateTimeOffset Since) : RunPhase;

    /// <summary>It trains.</summary>
    /// <param name="Lease">Up to where.</param>
    /// <param name="Halt">That servers are to stand where they are, until the end of the lease is
    /// brought there; null: they train.</param>
    /// <param name="Ends">Why the lease ends where it does, before the epoch; null: it ends with
    /// the epoch.</param>
    public sealed record Training(Lease Lease, HaltCause? Halt, HaltCause? Ends) : RunPhase;

    /// <summary>Workers evaluate the weights at the end of a lease.</summary>
    /// <param name="Version">Which weights.</param>
    /// <param name="LossSum">Sum of the epoch's rows' losses.</param>
    /// <param name="Layers">Norms of each layer in the last step.</param>
    /// <param name="Ends">Why the epoch was cut short; null: it was not.</param>
    public sealed record Evaluating(
        long Version, double LossSum, ImmutableArray<LayerNorms> Layers, HaltCause? Ends)
        : RunPhase;

    /// <summary>It stands at a version until that is saved.</summary>
    /// <param name="Version">The version.</param>
    /// <param name="Attempt">Counts the attempts to save it, from 1.</param>
    /// <param name="Stop">What ends the run afterwards; null: it pauses, or goes on without a
    /// server that leaves.</param>
    public sealed record Checkpointing(long Version, int Attempt, StopDecision? Stop) : RunPhase;

    /// <summary>The weights that it came to are being examined: digests, and metrics on validation
    /// and test part.</summary>
    /// <param name="Checkpoint">The checkpoint that holds them.</param>
    /// <param name="Stop">What ended the run.</param>
    public sealed record Concluding(long Checkpoint, StopDecision Stop) : RunPhase;

    /// <summary>It waits to be resumed.</summary>
    /// <param name="Cause">Why.</param>
    /// <param name="Reason">Why, in words.</param>
    /// <param name="Interrupted">What it goes on with, in the same generation; null: it opens a new
    /// one.</param>
    public sealed record Paused(PauseCause Cause, string Reason, Training? Interrupted) : RunPhase;

    /// <summary>It came to a result.</summary>
    /// <param name="Result">The result.</param>
    public sealed record Completed(TrainingResult Result) : RunPhase
    {
        /// <inheritdoc/>
        public override bool IsFinal => true;
    }

    /// <summary>It cannot go on.</summary>
    /// <param name="Reason">Why, in words.</param>
    public sealed record Failed(string Reason) : RunPhase
    {
        /// <inheritdoc/>
        public override bool IsFinal => true;
    }

    /// <summary>The user has ended it.</summary>
    /// <param name="Reason">In words, with the newest checkpoint.</param>
    public sealed record Stopped(string Reason) : RunPhase
    {
        /// <inheritdoc/>
        public override bool IsFinal => true;
    }
}
