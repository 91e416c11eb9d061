namespace Backprop.Training.Protocol.Coordination;

/// <summary>
/// What the coordinator knows of one run, as its events have told it: the phase of the run, its
/// generation, assignment and lease, its epochs and its checkpoints. Decisions are made on it, and
/// their events lead to the next one.
/// </summary>
public sealed record CoordinatorState
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }
}
