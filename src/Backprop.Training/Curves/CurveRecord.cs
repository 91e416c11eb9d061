using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Backprop.Training.Curves;

/// <summary>
/// All points of a run's curves, as they are recorded, in chunks of a fixed length for storing. One
/// caller at a time.
/// </summary>
/// <param name="layers">Layers that have parameters.</param>
public sealed class CurveRecord(int layers)
{
    /// <summary>Points of a chunk.</summary>
    public const int ChunkLength = 256;

    private readonly List<CurvePoint> _points = [];
    private readonly List<float> _norms = [];
    private readonly SortedSet<long> _unsaved = [];

    /// <summary>Layers that have parameters.</summary>
    public int Layers => layers;

    /// <summary>One past the place of the last point.</summary>
    public long EndIndex => _points.Count;

    /// <summary>One past the last step that is on record.</summary>
    public long EndStep => _points.Count == 0 ? 0 : _points[^1].EndStep;

    /// <summary>Chunks that were changed since they were saved, first ones first.</summary>
    public IReadOnlyCollection<long> Unsaved => _unsaved;

    /// <summary>Takes points in. One that has more steps than the one on record replaces it: both
    /// are of the same run, and thus say the same of the steps that both have.</summary>
    /// <param name="segment">Not refused by <see cref="CurveSegment.Refusal"/>.</param>
    public void Enter(CurveSegment segment)
    {
        for (int i = 0; i < segment.Points.Length; i++)
        {
            CurvePoint point = segment.Points[i];
            int index = (int)point.Index;
            Extend(index);
            if (_points[index].Steps < point.Steps)
            {
                Set(index, point, segment.NormsOf(i));
            }
        }
    }

    /// <summary>Forgets the points of a step and all later ones: they are in doubt.</summary>
    public void CutAt(long step)
    {
        int end = (int)Math.Min(CurveGrid.IndexOf(step), _points.Count);
        for (int index = end; index < _points.Count; index++)
        {
            _unsaved.Add(index / ChunkLength);
        }

        _points.RemoveRange(end, _points.Count - end);
        _norms.RemoveRange(end * layers, _norms.Count - (end * layers));
    }

    /// <summary>Points from a place on that are on record.</summary>
    /// <param name="from">The first place.</param>
    /// <param name="most">At most so many points.</param>
    public CurveSegment Read(long from, int most) => Read(from, _points.Count, most);

    /// <summary>A chunk's points to store; from now on they count as saved.</summary>
    public CurveSegment TakeToSave(long chunk)
    {
        _unsaved.Remove(chunk);
        return Read(chunk * ChunkLength, (chunk + 1) * ChunkLength, ChunkLength);
    }

    /// <summary>A chunk could not be stored.</summary>
    public void MarkUnsaved(long chunk) => _unsaved.Add(chunk);

    /// <summary>Takes a chunk from where it is stored, before anything else is entered.</summary>
    public void Load(CurveSegment segment)
    {
        Enter(segment);
        _unsaved.Clear();
    }

    private CurveSegment Read(long from, long end, int most)
    {
        ReadOnlySpan<CurvePoint> all = CollectionsMarshal.AsSpan(_points);
        ReadOnlySpan<float> allNorms = CollectionsMarshal.AsSpan(_norms);
        var points = ImmutableArray.CreateBuilder<CurvePoint>();
        var norms = ImmutableArray.CreateBuilder<float>();
        end = Math.Min(end, all.Length);
        for (int index = (int)Math.Clamp(from, 0, all.Length);
            index < end && points.Count < most; index++)
        {
            if (all[index].Steps > 0)
            {
                points.Add(all[index]);
                norms.AddRange(allNorms.Slice(index * layers, layers));
            }
        }

        return new CurveSegment(layers, points.ToImmutable(), norms.ToImmutable());
    }

    private void Extend(int index)
    {
        while (_points.Count <= index)
        {
            _points.Add(default);
            _norms.AddRange(Enumerable.Repeat(0f, layers));
            // Chunks between, of which nothing was told, are stored as well: a reader goes on until
            // it finds none.
            _unsaved.Add((_points.Count - 1) / ChunkLength);
        }
    }

    private void Set(int index, in CurvePoint point, ReadOnlySpan<float> norms)
    {
        _points[index] = point;
        for (int layer = 0; layer < layers; layer++)
        {
            _norms[(index * layers) + layer] = norms[layer];
        }

        _unsaved.Add(index / ChunkLength);
    }
}
