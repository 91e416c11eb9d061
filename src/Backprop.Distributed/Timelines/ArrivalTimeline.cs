using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Timelines;

/// <summary>When the nodes of the gradient tree came to a slice in the last steps: takes its memory
/// once. One caller at a time.</summary>
/// <remarks>A node comes in as many pieces as the slice has, and each of them may come within
/// another node, or from another worker, where work was done twice. Nodes of one tree lie within
/// each other or apart: of those that lie within each other the largest is told, so that what is
/// told counts each micro-batch once.</remarks>
internal sealed class ArrivalTimeline
{
    /// <summary>Steps that are kept.</summary>
    public const int Steps = 8;

    /// <summary>Nodes of a step that are kept; nobody could tell more of them apart.</summary>
    public const int MaxArrivals = 1_024;

    private readonly int _pieces;

    // By first micro-batch: the largest node that begins there.
    private readonly Entry[] _entries;

    // First micro-batches of the nodes that have come.
    private readonly int[] _firsts;
    private readonly Row[] _rows;
    private int _count;
    private bool _isWhole;

    /// <summary>Nothing has come yet.</summary>
    /// <param name="microBatches">Of a global batch.</param>
    /// <param name="pieces">Of the slice, at least 1.</param>
    public ArrivalTimeline(int microBatches, int pieces)
    {
        _pieces = pieces;
        _entries = new Entry[microBatches];
        _firsts = new int[microBatches];
        _rows = [.. Enumerable.Range(0, Steps).Select(_ => new Row(microBatches))];
    }

    /// <summary>The step that nodes are entered of; −1: of none.</summary>
    public long Step { get; private set; } = -1;

    /// <summary>Nodes of another step come.</summary>
    public void Begin(long step)
    {
        foreach (int first in _firsts.AsSpan(0, _count))
        {
            _entries[first] = default;
        }

        _count = 0;
        _isWhole = false;
        Step = step;
    }

    /// <summary>Enters one more piece of a node.</summary>
    /// <param name="first">Where the node begins.</param>
    /// <param name="count">Micro-batches that it counts.</param>
    /// <param name="worker">Who pushed it.</param>
    /// <returns>Whether that was the last one: then <see cref="Complete"/> is to be called.
    /// </returns>
    public bool Enter(int first, int count, NodeId worker)
    {
        ref Entry entry = ref _entries[first];
        if (entry.Count == 0)
        {
            _firsts[_count++] = first;
        }

        if (count < entry.Count)
        {
            return false;
        }

        entry.Pieces = count == entry.Count ? entry.Pieces + 1 : 1;
        entry.Count = count;
        entry.Worker = worker;
        return entry.Pieces == _pieces;
    }

    /// <summary>A node is here with all of its pieces.</summary>
    public void Complete(int first, TimeSpan at) => _entries[first].At = at;

    /// <summary>The sum is whole: nothing of the step comes any more.</summary>
    public void EndStep(TimeSpan at)
    {
        Row row = _rows[Step % Steps];
        row.Step = Step;
        row.Whole = at;
        row.Count = 0;
        int end = 0;
        _firsts.AsSpan(0, _count).Sort();
        foreach (int first in _firsts.AsSpan(0, _count))
        {
            ref readonly Entry entry = ref _entries[first];
            if (first >= end && row.Count < row.Arrivals.Length)
            {
                end = first + entry.Count;
                row.Arrivals[row.Count++] = entry.ArrivalAt(
                    first, entry.Pieces == _pieces ? entry.At : at);
            }
        }

        _isWhole = true;
    }

    /// <summary>The steps that are kept, and the one that nodes come of.</summary>
    /// <param name="now">What times are told from: all lie before it.</param>
    public ImmutableArray<TreeArrivals> Trees(TimeSpan now)
    {
        var trees = ImmutableArray.CreateBuilder<TreeArrivals>();
        foreach (Row row in _rows.Where(row => row.Step >= 0).OrderBy(row => row.Step))
        {
            trees.Add(new TreeArrivals(
                row.Step,
                [
                    .. row.Arrivals.Take(row.Count)
                        .Select(arrival => arrival with { At = arrival.At - now }),
                ],
                row.Whole - now));
        }

        if (Step >= 0 && !_isWhole)
        {
            trees.Add(new TreeArrivals(Step, SoFar(now), null));
        }

        return trees.ToImmutable();
    }

    private ImmutableArray<NodeArrival> SoFar(TimeSpan now)
    {
        var arrivals = ImmutableArray.CreateBuilder<NodeArrival>();
        int end = 0;
        foreach (int first in _firsts.Take(_count).Order())
        {
            Entry entry = _entries[first];
            if (first < end)
            {
                continue;
            }

            end = first + entry.Count;
            if (entry.Pieces == _pieces && arrivals.Count < MaxArrivals)
            {
                arrivals.Add(entry.ArrivalAt(first, entry.At - now));
            }
        }

        return arrivals.ToImmutable();
    }

    private struct Entry
    {
        public NodeId Worker;
        public int Count;
        public int Pieces;
        public TimeSpan At;

        public readonly NodeArrival ArrivalAt(int first, TimeSpan at) =>
            new(Worker, first, Count, at);
    }

    private sealed class Row(int microBatches)
    {
        public NodeArrival[] Arrivals { get; } =
            new NodeArrival[Math.Min(microBatches, MaxArrivals)];

        public long Step { get; set; } = -1;

        public int Count { get; set; }

        public TimeSpan Whole { get; set; }
    }
}
