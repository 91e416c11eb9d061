using System.Collections.Immutable;
using Backprop.Distributed.Nodes;
using Backprop.Training;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Coordination;

/// <summary>What a run is at, in one word for people and programs.</summary>
public enum RunStanding
{
    /// <summary>It waits for its turn or for nodes.</summary>
    Queued,

    /// <summary>Its data are looked at, or its slices and replicas opened.</summary>
    Opening,

    /// <summary>It trains.</summary>
    Training,

    /// <summary>Its weights are evaluated.</summary>
    Evaluating,

    /// <summary>It stands until a checkpoint is saved.</summary>
    Checkpointing,

    /// <summary>Its final weights are examined.</summary>
    Concluding,

    /// <summary>It waits to be resumed, or for workers.</summary>
    Paused,

    /// <summary>It came to a result.</summary>
    Completed,

    /// <summary>It could not go on.</summary>
    Failed,

    /// <summary>The user has ended it.</summary>
    Stopped,
}

/// <summary>A run in a list.</summary>
/// <param name="Id">The run.</param>
/// <param name="Name">Its name, for people.</param>
/// <param name="Standing">What it is at.</param>
/// <param name="Reason">That in words, with what it waits for.</param>
/// <param name="Priority">A higher one goes first.</param>
/// <param name="Submitted">When it was submitted.</param>
/// <param name="Version">Steps done.</param>
/// <param name="TotalSteps">Steps of the whole run; 0: not known yet.</param>
/// <param name="Workers">Workers that it has.</param>
/// <param name="Metric">The latest value of its metric; null: no epoch was judged yet.</param>
public sealed record RunSummaryView(
    RunId Id, string Name, RunStanding Standing, string Reason, int Priority,
    DateTimeOffset Submitted, long Version, long TotalSteps, int Workers, double? Metric);

/// <summary>A run in full.</summary>
public sealed record RunView
{
    /// <summary>What a list shows of it.</summary>
    public required RunSummaryView Summary { get; init; }

    /// <summary>Its epochs at most.</summary>
    public required int Epochs { get; init; }

    /// <summary>Steps of an epoch; 0: not known yet.</summary>
    public required long StepsPerEpoch { get; init; }

    /// <summary>Its trainable parameters; 0: not known yet.</summary>
    public required long Parameters { get; init; }

    /// <summary>Time that it has trained.</summary>
    public required TimeSpan Elapsed { get; init; }

    /// <summary>The generation; 0: none was opened yet.</summary>
    public required long Generation { get; init; }

    /// <summary>Its parameter servers, in the order of their slices.</summary>
    public required ImmutableArray<NodeId> Servers { get; init; }

    /// <summary>Who computes which micro-batches.</summary>
    public required ImmutableArray<WorkerShareView> Workers { get; init; }

    /// <summary>Micro-batches of a global batch.</summary>
    public required int MicroBatches { get; init; }

    /// <summary>The latest steps' progress; null: none was heard of yet.</summary>
    public required StepProgress? Progress { get; init; }

    /// <summary>Every epoch's report, in order.</summary>
    public required ImmutableArray<EpochReport> History { get; init; }

    /// <summary>The committed checkpoints that are kept, newest first.</summary>
    public required ImmutableArray<CheckpointView> Checkpoints { get; init; }

    /// <summary>The latest happenings, oldest first: joins, losses, checkpoints, decisions.
    /// </summary>
    public required ImmutableArray<HappeningView> Happenings { get; init; }

    /// <summary>The result; null: it has not completed.</summary>
    public required TrainingResult? Result { get; init; }

    /// <summary>The trained model; null: it has not completed.</summary>
    public required StoredFile? Model { get; init; }

    /// <summary>What whoever looks at it should know, a sentence each.</summary>
    public required ImmutableArray<string> Notes { get; init; }

    /// <summary>The nodes that took part in it, those that are gone included, in the order in which
    /// they came.</summary>
    public ImmutableArray<ParticipantView> Participants { get; init; } = [];
}

/// <summary>A node that took part in a run.</summary>
/// <param name="Node">The node: a process that was started again is another.</param>
/// <param name="Served">Whether it was a parameter server of the run.</param>
/// <param name="Computed">Whether it was given micro-batches.</param>
/// <param name="From">When it was first given something to do.</param>
/// <param name="Until">When it was last given something other to do.</param>
public sealed record ParticipantView(
    NodeId Node, bool Served, bool Computed, DateTimeOffset From, DateTimeOffset Until);

/// <summary>How much of a run is known to who follows it.</summary>
/// <param name="Epochs">Reports of epochs, from the first on.</param>
/// <param name="Happenings">The number of the last happening; 0: none is known.</param>
/// <param name="Points">The place of the first point of the curves that is not known, or may have
/// grown since.</param>
public readonly record struct RunCursor(long Epochs, long Happenings, long Points);

/// <summary>Points of a run's curves.</summary>
/// <param name="IsRead">False: they are being read from where they are stored, and none is shown.
/// </param>
/// <param name="EndIndex">One past the place of the last point that there is.</param>
/// <param name="Layers">The layers' names.</param>
/// <param name="Segment">Points, of which there may be more.</param>
public sealed record CurvesView(
    bool IsRead, long EndIndex, ImmutableArray<string> Layers, CurveSegment Segment)
{
    /// <summary>The most points of a view: a message has to hold them, whatever the layers are.
    /// With as many, there may be more.</summary>
    public const int MaxPoints = 512;

    /// <summary>Of a run that has not begun.</summary>
    public static CurvesView None { get; } = new(true, 0, [], CurveSegment.Empty(0));
}

/// <summary>A worker's part of a run.</summary>
/// <param name="Node">The worker.</param>
/// <param name="Range">Its micro-batches; none: it observes.</param>
/// <param name="SecondsPerMicroBatch">Measured; null: not yet.</param>
public sealed record WorkerShareView(
    NodeId Node, MicroBatchRange Range, double? SecondsPerMicroBatch);

/// <summary>A committed checkpoint.</summary>
/// <param name="Version">Its version.</param>
/// <param name="Committed">When.</param>
/// <param name="Bytes">Of its parts.</param>
/// <param name="Epoch">The epoch that it ends, or lies in, from 0.</param>
/// <param name="HasBest">Whether it holds the best weights.</param>
public sealed record CheckpointView(
    long Version, DateTimeOffset Committed, long Bytes, long Epoch, bool HasBest);

/// <summary>Something that has happened to a run.</summary>
/// <param name="Number">Counts the run's happenings, from 1.</param>
/// <param name="At">When.</param>
/// <param name="Text">What and why, in words.</param>
public sealed record HappeningView(long Number, DateTimeOffset At, string Text)
{
    /// <summary>The most of the routine that are kept.</summary>
    public const int MaxRoutine = 200;

    /// <summary>The most of all others that are kept.</summary>
    public const int MaxOthers = 500;

    /// <summary>Whether it happens in every epoch; among hundreds of these, nobody sees that a
    /// worker was lost.</summary>
    public bool IsRoutine { get; init; }
}

/// <summary>The cluster.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Nodes">Its nodes.</param>
/// <param name="Coordinator">Where the coordinator lives.</param>
/// <param name="Warnings">What is wrong with it, in words: a database that is away, a node that was
/// refused.</param>
public sealed record ClusterView(
    string Name, ImmutableArray<NodeView> Nodes, NodeId Coordinator,
    ImmutableArray<string> Warnings);

/// <summary>A node.</summary>
/// <param name="Description">The node.</param>
/// <param name="Address">Its host and port in the cluster.</param>
/// <param name="Status">Of its membership: up, unreachable, leaving...</param>
/// <param name="Runs">The runs it works for.</param>
public sealed record NodeView(
    NodeDescription Description, string Address, string Status, ImmutableArray<RunId> Runs);
