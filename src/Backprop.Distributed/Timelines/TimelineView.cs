using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Timelines;

/// <summary>What the nodes of a run did in its last steps, as people and programs are shown it.
/// Times are seconds from the first of them.</summary>
public sealed record TimelineView
{
    /// <summary>The run.</summary>
    public required RunId Run { get; init; }

    /// <summary>When it was taken.</summary>
    public required DateTimeOffset Taken { get; init; }

    /// <summary>The first step in it.</summary>
    public required long FirstStep { get; init; }

    /// <summary>One past the last step in it.</summary>
    public required long EndStep { get; init; }

    /// <summary>Micro-batches of a global batch.</summary>
    public required int MicroBatches { get; init; }

    /// <summary>What workers did.</summary>
    public required ImmutableArray<WorkerTimelineView> Workers { get; init; }

    /// <summary>What parameter servers did, in the order of their slices.</summary>
    public required ImmutableArray<ServerTimelineView> Servers { get; init; }

    /// <summary>How the gradient tree filled up, by step and slice.</summary>
    public required ImmutableArray<TreeView> Trees { get; init; }

    /// <summary>What went over the nodes' tensor links so far.</summary>
    public ImmutableArray<LinkTrafficView> Links { get; init; } = [];

    /// <summary>Nodes that did not answer in time.</summary>
    public required ImmutableArray<NodeId> Missing { get; init; }
}

/// <summary>What went over a node's tensor links since its process began, for all runs: two views
/// make a throughput.</summary>
/// <param name="Node">The node.</param>
/// <param name="Sent">Bytes that have left.</param>
/// <param name="Received">Bytes that have come.</param>
public readonly record struct LinkTrafficView(NodeId Node, long Sent, long Received);

/// <summary>What a worker did.</summary>
/// <param name="Node">The worker.</param>
/// <param name="Spans">What, step by step.</param>
public sealed record WorkerTimelineView(NodeId Node, ImmutableArray<SpanView> Spans);

/// <summary>What a parameter server did.</summary>
/// <param name="Node">The server.</param>
/// <param name="Slice">Its slice.</param>
/// <param name="Spans">What, step by step.</param>
public sealed record ServerTimelineView(NodeId Node, int Slice, ImmutableArray<SpanView> Spans);

/// <summary>What a node did for a while.</summary>
/// <param name="Step">The step it was for.</param>
/// <param name="Kind">What.</param>
/// <param name="Begin">From when on, in seconds.</param>
/// <param name="End">Until when, in seconds.</param>
public readonly record struct SpanView(long Step, SpanKind Kind, double Begin, double End);

/// <summary>How the gradient tree of a step filled up in a slice.</summary>
/// <param name="Step">The step.</param>
/// <param name="Slice">The slice.</param>
/// <param name="Arrivals">The nodes of the tree that came, in the order of their micro-batches.
/// </param>
/// <param name="Whole">When the sum was whole, in seconds; null: it is not yet.</param>
public sealed record TreeView(
    long Step, int Slice, ImmutableArray<ArrivalView> Arrivals, double? Whole);

/// <summary>A node of the gradient tree that came to a slice.</summary>
/// <param name="Worker">Who pushed it.</param>
/// <param name="FirstMicroBatch">Where it begins.</param>
/// <param name="Count">Micro-batches that it counts.</param>
/// <param name="At">When the last of its pieces came, in seconds.</param>
public readonly record struct ArrivalView(
    NodeId Worker, int FirstMicroBatch, int Count, double At);
