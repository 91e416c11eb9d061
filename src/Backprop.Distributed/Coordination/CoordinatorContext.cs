using Akka.Actor;
using Backprop.Distributed.Persistence;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Coordination;

/// <summary>What the coordinator's actors share.</summary>
public sealed class CoordinatorContext
{
    /// <summary>Knows the cluster's nodes: is asked by <see cref="NodesRequest"/>.</summary>
    public required ICanTell Membership { get; init; }

    /// <summary>Where checkpoints lie, to delete those that are needed no longer.</summary>
    public required CheckpointPieces Checkpoints { get; init; }

    /// <summary>Where the digests of versions lie.</summary>
    public required StoredDigests Digests { get; init; }

    /// <summary>Where the curves of runs lie.</summary>
    public required StoredCurves Curves { get; init; }
    /// <summary>Why a run that is handed in may not name a file of data; null: it may name any.
    /// </summary>
    public Func<string, string?>? FileRefusal { get; init; }

    /// <summary>The plug-ins that runs may have layers of.</summary>
    public LayerPlugins Plugins { get; init; } = LayerPlugins.None;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>How long it waits for others.</summary>
    public CoordinatorPatience Patience { get; init; } = new();
}

/// <summary>How long the coordinator's actors wait for others.</summary>
public sealed record CoordinatorPatience
{
    /// <summary>Between two looks at what may be late.</summary>
    public TimeSpan Tick { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>A worker may look at a run's data for so long, before another is asked.</summary>
    public TimeSpan Outline { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>A worker may examine final weights for so long, before another is asked.</summary>
    public TimeSpan Examination { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Workers that are asked to look at data, or to examine, before the run fails.
    /// </summary>
    public int Attempts { get; init; } = 5;

    /// <summary>The nodes of a run that is over may take so long to let go of it.</summary>
    public TimeSpan Closing { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>A run that is about to be over waits for so long until its curves are stored.
    /// </summary>
    public TimeSpan LastCurves { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A run that is over is shown for so long before its journal has to be read again.
    /// </summary>
    public TimeSpan Afterwards { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Between two times that digests and curves are stored, and after a failure of that.
    /// </summary>
    public TimeSpan Digests { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Nodes may take so long to tell what they did lately; who has not is missing.
    /// </summary>
    public TimeSpan Timeline { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>After a journal's failure, before the first new start.</summary>
    public TimeSpan FirstRestart { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After many failures.</summary>
    public TimeSpan LongestRestart { get; init; } = TimeSpan.FromSeconds(20);
}
