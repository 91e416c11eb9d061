using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;

namespace Backprop.Training.Curves;

/// <summary>
/// The points of a run's curves on their way from the first parameter server to the coordinator:
/// gathers steps into points, and keeps those that the coordinator has not said it keeps. Bounded:
/// if it is away for very long, the oldest are let go of. A step allocates nothing.
/// </summary>
/// <param name="layers">Layers that have parameters.</param>
public sealed class CurveRecorder(int layers)
{
    /// <summary>The most points that are told at once.</summary>
    public const int MaxReported = 1_024;

    /// <summary>The most that are kept.</summary>
    public const int MaxKept = 2_048;

    // What was told, and is not known to be kept, is told again after so many intervals.
    private const int Repetition = 8;

    private readonly CurvePoint[] _points = new CurvePoint[MaxKept];
    private readonly float[] _norms = new float[MaxKept * layers];
    private int _first;
    private int _count;
    private double _lossSum;
    private double _seconds;
    private TimeSpan? _toldAt;
    private long _toldEnd = -1;
    private long _takenEnd;

    /// <summary>One past the last step.</summary>
    public long EndStep => _count == 0 ? 0 : Newest.EndStep;

    private ref CurvePoint Newest => ref _points[PlaceOf(_count - 1)];

    /// <summary>A step is made.</summary>
    /// <param name="step">Later than every one before.</param>
    /// <param name="loss">Mean of its rows' losses.</param>
    /// <param name="gradientNorm">Of the whole gradient.</param>
    /// <param name="learningRate">From the schedule.</param>
    /// <param name="time">That it took.</param>
    /// <param name="layerNorms">[layers].</param>
    public void Enter(
        long step, double loss, double gradientNorm, float learningRate, TimeSpan time,
        ReadOnlySpan<double> layerNorms)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(step, EndStep);
        ArgumentOutOfRangeException.ThrowIfNotEqual(layerNorms.Length, layers);
        // A point has no gaps: what it says of its steps is of every one of them.
        if (_count == 0 || step != Newest.EndStep
            || CurveGrid.IndexOf(step) != Newest.Index)
        {
            Begin(step, loss, gradientNorm);
        }

        _lossSum += loss;
        _seconds += time.TotalSeconds;
        ref CurvePoint point = ref Newest;
        long steps = point.Steps + 1;
        point = new CurvePoint(
            point.FirstStep, steps, Math.Min(point.LossMin, loss), _lossSum / steps,
            Math.Max(point.LossMax, loss), Math.Max(point.GradientNorm, gradientNorm),
            learningRate, (float)(_seconds / steps));
        Span<float> norms = _norms.AsSpan(PlaceOf(_count - 1) * layers, layers);
        for (int layer = 0; layer < layers; layer++)
        {
            norms[layer] = Math.Max(norms[layer], (float)layerNorms[layer]);
        }
    }

    /// <summary>Steps before one are kept, and need not be told again.</summary>
    public void Taken(long endStep)
    {
        _takenEnd = endStep;
        // The newest may go on.
        while (_count > 1 && _points[_first].EndStep <= endStep)
        {
            _first = (_first + 1) % MaxKept;
            _count--;
        }

        // What did not fit into one report follows at once.
        if (_count >= MaxReported)
        {
            _toldAt = null;
        }
    }

    /// <summary>Whether it is time to tell, and what: the oldest points that are not taken, and as
    /// a rule the newest as far as it has come.</summary>
    /// <param name="now">The time.</param>
    /// <param name="interval">Between two reports.</param>
    /// <param name="stands">Whether no step comes after the last for the time being, so that it is
    /// told at once.</param>
    /// <param name="segment">The points.</param>
    public bool TryReport(
        TimeSpan now, TimeSpan interval, bool stands, [NotNullWhen(true)] out CurveSegment? segment)
    {
        segment = null;
        bool isNew = _toldEnd != EndStep;
        TimeSpan pause = isNew ? interval : interval * Repetition;
        bool isDue = _toldAt is not { } told || now - told >= pause || (stands && isNew);
        if (_count == 0 || !isDue || EndStep <= _takenEnd)
        {
            return false;
        }

        _toldAt = now;
        _toldEnd = EndStep;
        segment = Oldest(Math.Min(_count, MaxReported));
        return true;
    }

    private void Begin(long step, double loss, double gradientNorm)
    {
        if (_count == MaxKept)
        {
            _first = (_first + 1) % MaxKept;
            _count--;
        }

        _count++;
        _lossSum = 0;
        _seconds = 0;
        Newest = new CurvePoint(step, 0, loss, loss, loss, gradientNorm, 0, 0);
        _norms.AsSpan(PlaceOf(_count - 1) * layers, layers).Clear();
    }

    private CurveSegment Oldest(int count)
    {
        var points = ImmutableArray.CreateBuilder<CurvePoint>(count);
        var norms = ImmutableArray.CreateBuilder<float>(count * layers);
        for (int i = 0; i < count; i++)
        {
            points.Add(_points[PlaceOf(i)]);
            norms.AddRange(_norms.AsSpan(PlaceOf(i) * layers, layers));
        }

        return new CurveSegment(layers, points.MoveToImmutable(), norms.MoveToImmutable());
    }

    private int PlaceOf(int index) => (_first + index) % MaxKept;
}
