namespace Backprop.Training.Checkpoints;

/// <summary>
/// Where a run's checkpoints are kept: the newest, and the one before it. The trainer writes to
/// it at step boundaries; what it keeps them in is its own affair.
/// </summary>
public interface ICheckpointStore
{
    /// <summary>Keeps a checkpoint; when this returns it is durable, and until then the one before
    /// is untouched.</summary>
    /// <param name="checkpoint">Valid during the call only: its buffers are the trainer's.
    /// Written by <see cref="Checkpoint.WriteTo"/>.</param>
    /// <exception cref="CheckpointException">It could not be kept.</exception>
    void Save(Checkpoint checkpoint);

    /// <summary>The newest checkpoint that is whole; a damaged one is passed over for the one
    /// before. Null: there is none. The caller disposes it.</summary>
    /// <exception cref="CheckpointException">There are checkpoints, and none is whole.</exception>
    Checkpoint? Load();
}

/// <summary>When a run writes checkpoints: always when it ends or is interrupted, and between two
/// steps whenever one of these rules says so. The result does not depend on it.</summary>
/// <param name="Store">Where to.</param>
/// <param name="EveryEpochs">Epochs between two; null: ends of epochs do not matter.</param>
/// <param name="EverySteps">Steps between two; null: steps do not matter.</param>
/// <param name="Interval">Time between two, by the trainer's clock; null: time does not matter. An
/// epoch may last a millisecond or a day, so this is the rule for users.</param>
public sealed record CheckpointPolicy(
    ICheckpointStore Store, int? EveryEpochs = 1, long? EverySteps = null,
    TimeSpan? Interval = null);

/// <summary>A checkpoint cannot be read, written or used; the message says which, why, and what
/// would do.</summary>
public sealed class CheckpointException : Exception
{
    /// <summary>Whether what is stored of it is not what was saved, or not there any more; else it
    /// could not be reached, and may be whole.</summary>
    public bool IsDamage { get; init; }

    /// <summary>With a message for the user.</summary>
    public CheckpointException(string message)
        : base(message)
    {
    }

    /// <summary>With a message for the user and what led to it.</summary>
    public CheckpointException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
