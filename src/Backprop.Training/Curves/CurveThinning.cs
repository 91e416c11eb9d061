using System.Collections.Immutable;

namespace Backprop.Training.Curves;

/// <summary>Fewer points that say the same: neighbours become one, which keeps their extremes.
/// </summary>
public static class CurveThinning
{
    /// <summary>At most so many points.</summary>
    /// <param name="segment">The points.</param>
    /// <param name="most">How many there may be, at least 1.</param>
    public static CurveSegment Thin(CurveSegment segment, int most)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        int count = segment.Points.Length;
        if (count <= most)
        {
            return segment;
        }

        int width = (count + most - 1) / most;
        var points = ImmutableArray.CreateBuilder<CurvePoint>(most);
        var norms = ImmutableArray.CreateBuilder<float>(most * segment.Layers);
        for (int first = 0; first < count; first += width)
        {
            int end = Math.Min(count, first + width);
            points.Add(MergePoints(segment.Points.AsSpan()[first..end]));
            for (int layer = 0; layer < segment.Layers; layer++)
            {
                float largest = 0;
                for (int point = first; point < end; point++)
                {
                    largest = Math.Max(largest, segment.NormsOf(point)[layer]);
                }

                norms.Add(largest);
            }
        }

        return new CurveSegment(segment.Layers, points.ToImmutable(), norms.ToImmutable());
    }

    private static CurvePoint MergePoints(ReadOnlySpan<CurvePoint> points)
    {
        CurvePoint merged = points[0];
        double lossSum = merged.LossMean * merged.Steps;
        double seconds = merged.StepSeconds * (double)merged.Steps;
        foreach (CurvePoint point in points[1..])
        {
            lossSum += point.LossMean * point.Steps;
            seconds += point.StepSeconds * (double)point.Steps;
            long steps = merged.Steps + point.Steps;
            merged = new CurvePoint(
                merged.FirstStep, steps, Math.Min(merged.LossMin, point.LossMin), lossSum / steps,
                Math.Max(merged.LossMax, point.LossMax),
                Math.Max(merged.GradientNorm, point.GradientNorm), point.LearningRate,
                (float)(seconds / steps));
        }

        return merged;
    }
}
