using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>How far a server is with a slice.</summary>
public abstract record SlicePhase
{
    private SlicePhase()
    {
    }

    /// <summary>Its memory is being taken, and its numbers are being read.</summary>
    public sealed record Opening : SlicePhase;

    /// <summary>It takes part.</summary>
    public sealed record Open : SlicePhase;

    /// <summary>It cannot take part.</summary>
    /// <param name="Reason">Why, in words.</param>
    public sealed record Failed(string Reason) : SlicePhase;

    /// <summary>The run is over here.</summary>
    public sealed record Closed : SlicePhase;
}

/// <summary>What a slice has been waiting for, longer than it should.</summary>
/// <param name="Step">The step that is not whole.</param>
/// <param name="Missing">Micro-batches whose gradient, or loss, is missing in some piece, disjoint
/// and ascending; empty: the gradient is whole.</param>
/// <param name="SlicesWithoutSums">Slices whose sums are missing.</param>
/// <param name="Waited">Time since something last came.</param>
public sealed record SliceWait(
    long Step, ImmutableArray<MicroBatchRange> Missing, ImmutableArray<int> SlicesWithoutSums,
    TimeSpan Waited)
{
    /// <summary>Whether any of these micro-batches are missing.</summary>
    public bool Lacks(MicroBatchRange range)
    {
        // They are in order: the first one that ends after the range begins decides.
        int low = 0, high = Missing.IsDefault ? 0 : Missing.Length;
        int count = high;
        while (low < high)
        {
            int middle = (low + high) / 2;
            (low, high) = Missing[middle].End > range.First ? (low, middle) : (middle + 1, high);
        }

        return low < count && Missing[low].First < range.End;
    }
}

/// <summary>A part of a checkpoint that is saved: of its blocks the weights, each optimizer state,
/// and the best weights if there are any, one after the other.</summary>
/// <param name="FirstBlock">The first block.</param>
/// <param name="EndBlock">One past the last.</param>
/// <param name="Sha256">Of its bytes, in lower-case hex.</param>
public sealed record CheckpointPart(int FirstBlock, int EndBlock, string Sha256);

/// <summary>A slice that is saved for a checkpoint.</summary>
/// <param name="Version">The checkpoint's version.</param>
/// <param name="BestVersion">The version of the best weights that were saved with it; null: none.
/// </param>
/// <param name="EpochLossSum">Sum of the epoch's rows' losses up to the version, 0 at an epoch's
/// end; only the first server knows, elsewhere null.</param>
/// <param name="Parts">What was saved.</param>
public sealed record SavedSlice(
    long Version, long? BestVersion, double? EpochLossSum, ImmutableArray<CheckpointPart> Parts);

/// <summary>Why there is no checkpoint where there was to be one.</summary>
public enum CheckpointLoss
{
    /// <summary>It could not be saved.</summary>
    Failed,

    /// <summary>A server was past its version before it heard of it: nothing is wrong, and one of
    /// a later version may be begun at once.</summary>
    Passed,
}

/// <summary>A checkpoint that could not be saved.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Reason">Why, in words.</param>
/// <param name="Cause">Why, as far as it decides what comes next.</param>
public sealed record LostCheckpoint(
    long Version, string Reason, CheckpointLoss Cause = CheckpointLoss.Failed);

/// <summary>What the first server knows of training when a lease ends.</summary>
/// <param name="Version">The lease's end.</param>
/// <param name="LossSum">Sum of the epoch's rows' losses, added step by step.</param>
/// <param name="Layers">Norms of each layer in the last step.</param>
public sealed record LeaseSummary(
    long Version, double LossSum, ImmutableArray<LayerNorms> Layers);

/// <summary>That training came upon a number that is not finite.</summary>
/// <param name="Step">The step that was not made, or made what is not finite.</param>
/// <param name="What">Where, in words.</param>
/// <param name="LastGoodVersion">The version to go back to.</param>
public sealed record NonFiniteStop(long Step, string What, long LastGoodVersion);

/// <summary>What a parameter server holds of a run. It is complete: it replaces every one before
/// it.</summary>
public sealed record ServerStatus
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }

    /// <summary>Whose it is.</summary>
    public required NodeId Server { get; init; }

    /// <summary>The generation that everything below is of.</summary>
    public required Generation Generation { get; init; }

    /// <summary>The last directive seen.</summary>
    public required DirectiveStamp Seen { get; init; }

    /// <summary>Counts the server's statuses of the generation, from 1: a lower one is older.
    /// </summary>
    public required long Number { get; init; }

    /// <summary>The slice.</summary>
    public required int Slice { get; init; }

    /// <summary>How far it is.</summary>
    public required SlicePhase Phase { get; init; }

    /// <summary>The slice's version when the status was written; it is not sent once a step.
    /// </summary>
    public required long Version { get; init; }

    /// <summary>What it waits for; null: for nothing unusual.</summary>
    public SliceWait? Wait { get; init; }

    /// <summary>The last slice saved; null: none.</summary>
    public SavedSlice? Saved { get; init; }

    /// <summary>The last checkpoint that could not be saved; null: none.</summary>
    public LostCheckpoint? Lost { get; init; }

    /// <summary>The version of the checkpoint that the slice could not be opened from, since what
    /// is stored of it is damaged: why, stands in <see cref="SlicePhase.Failed"/>. Null: that was
    /// not so.</summary>
    public long? DamagedCheckpoint { get; init; }

    /// <summary>The version kept as best; null: none.</summary>
    public long? BestVersion { get; init; }

    /// <summary>Of the lease that has ended; null: it has not, or this is not the first server.
    /// </summary>
    public LeaseSummary? Lease { get; init; }

    /// <summary>That numbers are not finite; null: they are.</summary>
    public NonFiniteStop? NonFinite { get; init; }

    /// <summary>The whole copies in its memory, by version and block.</summary>
    public ImmutableArray<SliceCopy> Copies { get; init; } = [];

    /// <summary>Why it makes no copies, in words; null: it does.</summary>
    public string? CopiesOff { get; init; }
}
