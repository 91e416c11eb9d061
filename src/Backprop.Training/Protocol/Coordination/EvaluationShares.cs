using System.Collections.Immutable;
using Backprop.Training.Metrics;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>How an evaluation is shared out, and what of it is done. Whoever has nothing left to do
/// computes what somebody else has not brought yet: the first copy wins.</summary>
/// <param name="Generation">In which generation.</param>
/// <param name="Version">Of which weights.</param>
/// <param name="Shares">The ranges it is cut into, in order.</param>
/// <param name="Parts">What is done, a part a share at most.</param>
/// <param name="Owners">Who computes which share.</param>
public sealed record EvaluationShares(
    Generation Generation, long Version, ImmutableArray<MicroBatchRange> Shares,
    ImmutableArray<MetricsPart> Parts,
    ImmutableSortedDictionary<NodeId, MicroBatchRange> Owners)
{
    // Two shares a worker: who is faster takes more of them.
    private const int SharesPerWorker = 2;

    /// <summary>Whether every share is done.</summary>
    public bool AreDone => Parts.Length == Shares.Length;

    /// <summary>Cuts an evaluation for so many workers.</summary>
    public static EvaluationShares Cut(
        Generation generation, long version, int microBatches, int workers)
    {
        int count = Math.Clamp(workers * SharesPerWorker, 1, microBatches);
        var shares = ImmutableArray.CreateBuilder<MicroBatchRange>(count);
        for (int i = 0; i < count; i++)
        {
            shares.Add(new MicroBatchRange(
                (int)((long)microBatches * i / count),
                (int)((long)microBatches * (i + 1) / count)));
        }

        return new EvaluationShares(
            generation, version, shares.MoveToImmutable(), [],
            ImmutableSortedDictionary<NodeId, MicroBatchRange>.Empty);
    }

    /// <summary>With one part more, unless it is there, of another version, or of no share.
    /// </summary>
    public EvaluationShares With(EvaluationDone done)
    {
        MicroBatchRange range = done.Request.Range;
        bool isNew = done.Request.Version == Version && Shares.Contains(range) && !IsDone(range)
            && done.Part.First == range.First && done.Part.End == range.End;
        return isNew ? this with { Parts = Parts.Add(done.Part) } : this;
    }

    /// <summary>With a share for each worker that has none to do, as long as there are any.
    /// </summary>
    /// <param name="workers">Those whose replicas are whole, in order.</param>
    public EvaluationShares ShareOut(ImmutableArray<NodeId> workers)
    {
        HashSet<NodeId> there = [.. workers];
        HashSet<int> done = [.. Parts.Select(part => part.First)];
        ImmutableSortedDictionary<NodeId, MicroBatchRange> owners = Owners.RemoveRange(
            Owners.Where(entry => !there.Contains(entry.Key) || done.Contains(entry.Value.First))
                .Select(entry => entry.Key));
        ImmutableArray<NodeId> idle = workers.RemoveAll(owners.ContainsKey);
        return this with
        {
            Owners = AreDone ? owners : owners.AddRange(Take(idle, owners.Values, done)),
        };
    }

    // Each takes the share that the fewest have, of those the first.
    private IEnumerable<KeyValuePair<NodeId, MicroBatchRange>> Take(
        ImmutableArray<NodeId> idle, IEnumerable<MicroBatchRange> taken, HashSet<int> done)
    {
        Dictionary<int, int> owned = taken.CountBy(share => share.First).ToDictionary();
        var left = new PriorityQueue<MicroBatchRange, (int Owners, int First)>(
            Shares.Where(share => !done.Contains(share.First)).Select(
                share => (share, (owned.GetValueOrDefault(share.First), share.First))));
        foreach (NodeId worker in idle)
        {
            left.TryPeek(out MicroBatchRange share, out (int Owners, int First) order);
            left.DequeueEnqueue(share, (order.Owners + 1, order.First));
            yield return KeyValuePair.Create(worker, share);
        }
    }

    private bool IsDone(MicroBatchRange range) => Parts.Any(part => part.First == range.First);
}
