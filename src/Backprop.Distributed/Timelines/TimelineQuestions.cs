using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Timelines;

/// <summary>To a worker or a parameter server: what was done for a run lately? The answer is a
/// <see cref="TimelineAnswer"/>. It may be asked at any time; until then nothing is told.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Slice">The slice that the server has; null: a worker is asked.</param>
public sealed record TimelineRequest(RunId Run, Generation Generation, int? Slice);

/// <summary>What went over a process's tensor links since it began, for all runs.</summary>
/// <param name="Sent">Bytes that have left.</param>
/// <param name="Received">Bytes that have come.</param>
public readonly record struct LinkTraffic(long Sent, long Received);

/// <summary>What a worker, or a slice, did for a run lately.</summary>
/// <param name="Run">The run.</param>
/// <param name="Node">Who did it.</param>
/// <param name="Generation">The generation; that of the request, or nothing is told.</param>
/// <param name="Slice">The slice; null: it is a worker's.</param>
/// <param name="At">When it was answered, by the node's clock: what all times are told from.
/// </param>
/// <param name="Spans">What was done, step by step.</param>
/// <param name="Trees">When gradients came to the slice; empty: it is a worker's.</param>
public sealed record TimelineAnswer(
    RunId Run, NodeId Node, Generation Generation, int? Slice, DateTimeOffset At,
    ImmutableArray<TimelineSpan> Spans, ImmutableArray<TreeArrivals> Trees)
{
    /// <summary>What went over the node's tensor links so far.</summary>
    public LinkTraffic Traffic { get; init; }

    /// <summary>Nothing is kept of what was asked for.</summary>
    internal static TimelineAnswer Nothing(
        TimelineRequest request, NodeId node, TimeProvider time) => new(
        request.Run, node, request.Generation, request.Slice, time.GetUtcNow(), [], []);
}
