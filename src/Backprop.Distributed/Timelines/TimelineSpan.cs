using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Timelines;

/// <summary>What a node did for a while in a step.</summary>
public enum SpanKind
{
    /// <summary>A worker: its micro-batches were computed.</summary>
    Compute,

    /// <summary>A worker: the gradients that were not sent yet when they were computed were sent.
    /// </summary>
    Push,

    /// <summary>A worker: it waited until the weights of the next version were whole.</summary>
    Wait,

    /// <summary>A slice: gradients came, from the first one until the sum was whole.</summary>
    Gather,

    /// <summary>A slice: the next version was written.</summary>
    Apply,

    /// <summary>A slice: the next version was given to the links of all workers.</summary>
    Broadcast,
}

/// <summary>What a node did for a while.</summary>
/// <param name="Step">The step it was for.</param>
/// <param name="Kind">What.</param>
/// <param name="Begin">From when on.</param>
/// <param name="End">Until when.</param>
public readonly record struct TimelineSpan(
    long Step, SpanKind Kind, TimeSpan Begin, TimeSpan End);

/// <summary>A node of the gradient tree that came to a slice, all pieces of it.</summary>
/// <param name="Worker">Who pushed it; of several, who pushed what came last.</param>
/// <param name="FirstMicroBatch">Where the node begins.</param>
/// <param name="Count">Micro-batches that it counts.</param>
/// <param name="At">When the last of its pieces came.</param>
public readonly record struct NodeArrival(
    NodeId Worker, int FirstMicroBatch, int Count, TimeSpan At);

/// <summary>How the gradient tree of a step filled up in a slice. No micro-batch is in two of the
/// nodes, and each is in one once the sum is whole.</summary>
/// <param name="Step">The step.</param>
/// <param name="Arrivals">The nodes, in the order of their micro-batches.</param>
/// <param name="Whole">When the sum was whole; null: it is not yet.</param>
public sealed record TreeArrivals(
    long Step, ImmutableArray<NodeArrival> Arrivals, TimeSpan? Whole);
