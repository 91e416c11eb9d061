using System.Collections.Immutable;
using Backprop.Engine.Schedules;
using Backprop.Training.Stopping;

namespace Backprop.Training;

/// <summary>
/// Where a run stands between two steps: with the weights and the optimizer's state, all that is
/// needed to go on as if it had never been interrupted.
/// </summary>
public sealed record TrainingPosition
{
    /// <summary>Before the first step.</summary>
    public static TrainingPosition Start { get; } = new();

    /// <summary>Steps done: the next step's number, and the weights' version.</summary>
    public long Step { get; init; }

    /// <summary>Sum of the rows' losses in the epoch so far, added step by step.</summary>
    public double EpochLossSum { get; init; }

    /// <summary>Rows of the epoch so far.</summary>
    public long EpochRows { get; init; }

    /// <summary>Training rows of the whole run so far.</summary>
    public long RunRows { get; init; }

    /// <summary>What early stopping remembers.</summary>
    public StoppingState Stopping { get; init; } = StoppingState.Initial;

    /// <summary>What has been seen of a plateau; it only moves where the schedule asks.</summary>
    public PlateauState Plateau { get; init; } = PlateauState.Initial;

    /// <summary>The reports of the epochs that are done, in order.</summary>
    public ImmutableArray<EpochReport> History { get; init; } = [];

    /// <summary>Notes for the result so far.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>Time spent so far; nothing but <see cref="StopRules.MaxTime"/> looks at it.
    /// </summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>Set once the run has ended for good: resumed, it only tells its result again.
    /// </summary>
    public StopDecision? Ended { get; init; }
}
