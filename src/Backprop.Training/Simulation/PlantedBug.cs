namespace Backprop.Training.Simulation;

/// <summary>Mistakes that a simulation can be asked to make, to show that it would find them. The
/// protocol's states know nothing of it: what they are told, or what is made of their answers, is
/// what it would be with the mistake in them.</summary>
public enum PlantedBug
{
    /// <summary>None: it is all in earnest.</summary>
    None,

    /// <summary>Gradients are added in the order in which they arrive.</summary>
    FoldInArrivalOrder,

    /// <summary>A gradient that is counted already is added once more.</summary>
    DuplicateAdded,

    /// <summary>A directive that was lost, and the lease in it, is never sent again.</summary>
    LeaseLost,

    /// <summary>A server trains past the end of its lease.</summary>
    LeaseExceeded,

    /// <summary>A server says that its slice is saved before the last part is.</summary>
    CommitBeforeLastPart,

    /// <summary>Weights and gradients of an earlier generation are taken for current ones.
    /// </summary>
    StaleGenerationAccepted,

    /// <summary>A worker goes on with the first assignment that it got.</summary>
    OldAssignmentKept,

    /// <summary>Orders of a coordinator that was followed by another are obeyed.</summary>
    LowerTermObeyed,

    /// <summary>A coordinator sends its directives before its events are stored.</summary>
    DirectivesBeforeEvents,

    /// <summary>The newest checkpoint is deleted when an older one is retired.</summary>
    NewestCheckpointDeleted,

    /// <summary>A server that restores a checkpoint leaves the optimizer's state as it is.
    /// </summary>
    OptimizerStateNotRestored,

    /// <summary>A worker computes with weights of which a piece is missing.</summary>
    ReplicaNotWhole,

    /// <summary>A coordinator that finds two workers in dispute goes on as if they were not.
    /// </summary>
    DisputeForgotten,

    /// <summary>A dispute is told as one of a later step, so that the run does not go back to
    /// before the wrong bits.</summary>
    DisputeToldLate,

    /// <summary>The third vote is given to the wrong side.</summary>
    VoteTurnedRound,

    /// <summary>A coordinator waits by the machine's clock, which may be set.</summary>
    MachineClockTaken,
}
