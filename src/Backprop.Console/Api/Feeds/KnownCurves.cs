using System.Collections.Concurrent;
using System.Collections.Immutable;
using Backprop.Training.Curves;

namespace Backprop.Console.Api.Feeds;

/// <summary>Points that readers are told, written once for all who have come equally far.</summary>
/// <param name="Data">As JSON.</param>
/// <param name="Last">The last of them.</param>
internal sealed record ToldPoints(ReadOnlyMemory<byte> Data, CurvePoint Last);

/// <summary>The points of a run's curves at one moment, in chunks: what has not changed since the
/// moment before is shared with it. Safe for any thread.</summary>
internal sealed class KnownCurves
{
    // Readers who keep up have all come equally far, and the others come to be so soon.
    private const int MaxTold = 8;

    private readonly ImmutableArray<CurveSegment> _chunks;
    private readonly int _layers;
    private readonly ConcurrentDictionary<long, ToldPoints> _told = [];

    private KnownCurves(int layers, ImmutableArray<CurveSegment> chunks)
    {
        _layers = layers;
        _chunks = chunks;
        Last = chunks.LastOrDefault(chunk => !chunk.Points.IsEmpty)?.Points[^1];
    }

    /// <summary>None are known.</summary>
    public static KnownCurves Empty { get; } = new(0, []);

    /// <summary>The last one; null: there is none.</summary>
    public CurvePoint? Last { get; }

    /// <summary>One past the last step.</summary>
    public long EndStep => Last?.EndStep ?? 0;

    /// <summary>With what was entered into a record since it was last read here.</summary>
    /// <param name="record">Of the same points, and nobody else stores it.</param>
    public KnownCurves With(CurveRecord record)
    {
        ImmutableArray<CurveSegment>.Builder chunks = _chunks.ToBuilder();
        foreach (long chunk in record.Unsaved.ToArray())
        {
            CurveSegment segment = record.TakeToSave(chunk);
            if (chunk == chunks.Count)
            {
                chunks.Add(segment);
            }
            else
            {
                chunks[(int)chunk] = segment;
            }
        }

        return new KnownCurves(record.Layers, chunks.ToImmutable());
    }

    /// <summary>Points that have a step in a range.</summary>
    public CurveSegment Between(long from, long to) => Select(
        0, int.MaxValue, point => point.EndStep > from && point.FirstStep < to);

    /// <summary>Points from a place on, at most so many, as they are told; null: there are none.
    /// </summary>
    public ToldPoints? From(long index, int most, Func<CurveSegment, ReadOnlyMemory<byte>> write)
    {
        if (_told.TryGetValue(index, out ToldPoints? told))
        {
            return told;
        }

        CurveSegment segment = Select(
            index / CurveRecord.ChunkLength, most, point => point.Index >= index);
        if (segment.Points is not [.., var last])
        {
            return null;
        }

        told = new ToldPoints(write(segment), last);
        return _told.Count < MaxTold ? _told.GetOrAdd(index, told) : told;
    }

    private CurveSegment Select(long firstChunk, int most, Func<CurvePoint, bool> isWanted)
    {
        var points = ImmutableArray.CreateBuilder<CurvePoint>();
        var norms = ImmutableArray.CreateBuilder<float>();
        for (int chunk = (int)Math.Clamp(firstChunk, 0, _chunks.Length);
            chunk < _chunks.Length && points.Count < most; chunk++)
        {
            CurveSegment segment = _chunks[chunk];
            for (int i = 0; i < segment.Points.Length && points.Count < most; i++)
            {
                if (isWanted(segment.Points[i]))
                {
                    points.Add(segment.Points[i]);
                    norms.AddRange(segment.NormsOf(i));
                }
            }
        }

        return new CurveSegment(_layers, points.ToImmutable(), norms.ToImmutable());
    }
}
