using System.Collections.Immutable;
using Backprop.Console.Api;

namespace Backprop.Console.Client;

/// <summary>A run's losses by step, as finely as a line of text can show them.</summary>
internal sealed record LossTrace
{
    /// <summary>The most points that are kept.</summary>
    public const int MaxPoints = 1_024;

    private ImmutableArray<(long Step, double Loss)> _points = [];

    /// <summary>Of a run that has not begun.</summary>
    public static LossTrace Empty { get; } = new();

    /// <summary>One past the last step.</summary>
    public long End { get; private init; }

    /// <summary>The last loss; NaN: there is none.</summary>
    public double Last => _points.IsEmpty ? double.NaN : _points[^1].Loss;

    /// <summary>With newer points: they replace what is known from the first one's step on.
    /// </summary>
    public LossTrace With(CurveTable curves)
    {
        if (curves.Step.IsEmpty)
        {
            return this;
        }

        long first = curves.Step[0];
        var points = _points.Where(point => point.Step < first)
            .Concat(curves.Step.Zip(curves.LossMean)).ToList();
        while (points.Count > MaxPoints)
        {
            // Two neighbours become one; its loss is that of the first.
            points = [.. points.Where((_, i) => i % 2 == 0 || i == points.Count - 1)];
        }

        return new LossTrace { End = curves.Step[^1] + curves.Steps[^1], _points = [.. points] };
    }

    /// <summary>So many losses, evenly over the steps: the mean of those in each part, or the one
    /// before where it has none.</summary>
    public IReadOnlyList<double> Spread(int count)
    {
        if (_points.IsEmpty)
        {
            return [];
        }

        var sums = new double[count];
        var members = new int[count];
        foreach ((long step, double loss) in _points)
        {
            int part = (int)Math.Clamp(step * count / Math.Max(1, End), 0, count - 1);
            sums[part] += loss;
            members[part]++;
        }

        double last = _points[0].Loss;
        var losses = new double[count];
        for (int part = 0; part < count; part++)
        {
            last = members[part] > 0 ? sums[part] / members[part] : last;
            losses[part] = last;
        }

        return losses;
    }
}
