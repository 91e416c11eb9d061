using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>What a slice is opened from.</summary>
public abstract record SliceOrigin
{
    private SliceOrigin()
    {
    }

    /// <summary>The version that the slice has when it is open.</summary>
    public abstract long Version { get; }

    /// <summary>The run's initial weights, version 0.</summary>
    public sealed record FirstWeights : SliceOrigin
    {
        /// <inheritdoc/>
        public override long Version => 0;
    }

    /// <summary>A committed checkpoint.</summary>
    /// <param name="Saved">Its version.</param>
    /// <param name="BestVersion">The version of the best weights stored in it; null: none are.
    /// </param>
    /// <param name="EpochLossSum">Sum of the epoch's rows' losses up to it; 0 at an epoch's end.
    /// </param>
    public sealed record Checkpoint(long Saved, long? BestVersion, double EpochLossSum)
        : SliceOrigin
    {
        /// <inheritdoc/>
        public override long Version => Saved;
    }

    /// <summary>Copies in the memory of nodes.</summary>
    /// <param name="Copied">Their version.</param>
    /// <param name="BestVersion">The version of the best weights in them; null: none are.</param>
    /// <param name="EpochLossSum">Sum of the epoch's rows' losses up to it.</param>
    /// <param name="Keepers">Who keeps which blocks: all of them, in order.</param>
    public sealed record Memory(
        long Copied, long? BestVersion, double EpochLossSum, ImmutableArray<CopyKeeper> Keepers)
        : SliceOrigin
    {
        /// <inheritdoc/>
        public override long Version => Copied;

        /// <summary>Whether both say the same; a list is read anew from every message.</summary>
        public bool Equals(Memory? other) => other is not null
            && Copied == other.Copied && BestVersion == other.BestVersion
            && EpochLossSum.Equals(other.EpochLossSum)
            && Keepers.AsSpan().SequenceEqual(other.Keepers.AsSpan());

        /// <inheritdoc/>
        public override int GetHashCode() =>
            HashCode.Combine(Copied, BestVersion, EpochLossSum, Keepers.Length);
    }
}

/// <summary>
/// What the coordinator wants a parameter server to hold of a run. It is complete: it replaces
/// every one before it.
/// </summary>
public sealed record ServerDirective
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }

    /// <summary>Which directive it is.</summary>
    public required DirectiveStamp Stamp { get; init; }

    /// <summary>The generation that everything below is of.</summary>
    public required Generation Generation { get; init; }

    /// <summary>The parameter servers in the order of their slices.</summary>
    public required ImmutableArray<NodeId> Servers { get; init; }

    /// <summary>The slice of the one that is addressed.</summary>
    public required int Slice { get; init; }

    /// <summary>What to open the slice from, if it is not open yet.</summary>
    public required SliceOrigin Origin { get; init; }

    /// <summary>Whom to broadcast new versions to: those who compute and those who observe.
    /// </summary>
    public required ImmutableArray<NodeId> Workers { get; init; }

    /// <summary>Up to which version to apply.</summary>
    public required Lease Lease { get; init; }

    /// <summary>The version to save for a checkpoint, when it is reached; null: none.</summary>
    public long? CheckpointVersion { get; init; }

    /// <summary>The version to keep as the best; null: none.</summary>
    public long? BestVersion { get; init; }

    /// <summary>The run is over here: let go of everything.</summary>
    public bool Closed { get; init; }

    /// <summary>Where <see cref="Closed"/>: copies in memory stay, since the run may go on from
    /// them.</summary>
    public bool KeepsCopies { get; init; }

    /// <summary>Why the directive cannot be followed; null: it can.</summary>
    public string? Refusal(RunDimensions run)
    {
        if (DirectiveCheck.Refusal(Run, Stamp, Generation, Servers, run) is { } refusal)
        {
            return refusal;
        }

        if (Slice < 0 || Slice >= Servers.Length)
        {
            return $"slice {Slice} of {Servers.Length}";
        }

        if (Workers.IsDefault || Workers.Length > AssignmentPlanner.MaxWorkers)
        {
            return $"{(Workers.IsDefault ? 0 : Workers.Length)} workers, where at most"
                + $" {AssignmentPlanner.MaxWorkers} may be";
        }

        return DirectiveCheck.RefusalOfNodes(Workers)
            ?? OutOfRun(run, "origin", Origin.Version)
            ?? OutOfRun(run, "checkpoint", CheckpointVersion)
            ?? OutOfRun(run, "best version", BestVersion)
            ?? (Origin is SliceOrigin.Memory copies
                ? CopyKeeper.Refusal(copies.Keepers, run.Layout.BlockCount)
                : null)
            ?? Lease.Refusal(run);
    }

    private static string? OutOfRun(RunDimensions run, string what, long? version) =>
        version < 0 || version > run.TotalSteps
            ? $"a {what} of {version}, in a run of {run.TotalSteps} steps"
            : null;
}
