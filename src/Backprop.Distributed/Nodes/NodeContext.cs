using Backprop.Data.Sources;
using Backprop.Distributed.Links;
using Backprop.Distributed.Metering;
using Backprop.Distributed.Persistence;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Nodes;

/// <summary>What the actors of a node share. One actor system may host several nodes.</summary>
public sealed class NodeContext
{
    /// <summary>The node.</summary>
    public required NodeId Node { get; init; }

    /// <summary>Its links.</summary>
    public required LinkHub Links { get; init; }

    /// <summary>Threads that each run's part computes with, at least 1.</summary>
    public required int Threads { get; init; }

    /// <summary>Where checkpoints lie.</summary>
    public required CheckpointPieces Checkpoints { get; init; }

    /// <summary>Where trained models are stored.</summary>
    public required IModelStore Models { get; init; }

    /// <summary>Opens data sources on a worker, and on a parameter server the weights that a run
    /// begins with.</summary>
    public required IDataSourceOpener Data { get; init; }

    /// <summary>Why a run that is handed in may not name a file of data; null: it may name any.
    /// </summary>
    public Func<string, string?>? FileRefusal { get; init; }

    /// <summary>The plug-ins that runs may have layers of.</summary>
    public LayerPlugins Plugins { get; init; } = LayerPlugins.None;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>What one run's part may allocate beside its data, in bytes.</summary>
    public long MemoryLimitBytes { get; init; } = long.MaxValue;

    /// <summary>Multiply-adds from which on a worker computes a part of a forward pass before all
    /// weights have come.</summary>
    public long LeastWorkAhead { get; init; } = WorkerState.LeastWorkAhead;

    /// <summary>What copies of slices in memory may cost.</summary>
    public CopyOptions Copies { get; init; } = new();

    /// <summary>Of one step in so many, a trace is made where somebody listens; 0: of none.
    /// </summary>
    public int TraceEvery { get; init; }

    /// <summary>How long it is waited for others.</summary>
    public NodePatience Patience { get; init; } = new();

    /// <summary>Something computes far longer than it should, and cannot be stopped: the process
    /// had better end. Called on an actor's thread with the reason.</summary>
    public event Action<string>? Hung;

    /// <summary>The time since some moment, for the protocol's states.</summary>
    internal TimeSpan Now => Time.GetElapsedTime(0);

    /// <summary>Traces of a run's steps.</summary>
    internal StepTrace TraceOf(RunId run) => new(run, Node, TraceEvery);

    /// <summary>Says that something hangs.</summary>
    internal void ReportHung(string reason) => Hung?.Invoke(reason);
}

/// <summary>How long a node's actors wait for others, and for themselves.</summary>
public sealed record NodePatience
{
    /// <summary>Between two looks at what may be late.</summary>
    public TimeSpan Look { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Before a question to the coordinator is asked again.</summary>
    public TimeSpan Question { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Times that a question is asked.</summary>
    public int Questions { get; init; } = 120;

    /// <summary>How long a slice that is opened from copies waits for any block, before it fails.
    /// </summary>
    public TimeSpan Copies { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a slice waits for a worker that has not taken older weights, before it
    /// closes the link to it.</summary>
    public TimeSpan SlowReceiver { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>What one piece of computing may take: no kernel takes as long.</summary>
    public TimeSpan Computation { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long the part of a run that is over still answers.</summary>
    public TimeSpan Afterwards { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Between two reports of the digests of a slice's versions.</summary>
    public TimeSpan Digests { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Between two reports of what is new of a run's curves.</summary>
    public TimeSpan Curves { get; init; } = TimeSpan.FromMilliseconds(300);

    /// <summary>Between two reports of a run's progress.</summary>
    public TimeSpan Progress { get; init; } = TimeSpan.FromMilliseconds(300);
}

/// <summary>Stores the files of trained models where every node finds them.</summary>
public interface IModelStore
{
    /// <summary>Stores a file; when this is done, it is durable.</summary>
    /// <param name="place">What it is stored under; what was there is replaced.</param>
    /// <param name="content">Its bytes; nobody changes them.</param>
    /// <param name="cancellation">Between two attempts.</param>
    /// <exception cref="Training.Checkpoints.CheckpointException">It could not be stored.
    /// </exception>
    Task<StoredFile> SaveAsync(
        string place, ReadOnlyMemory<byte> content, CancellationToken cancellation);
}
