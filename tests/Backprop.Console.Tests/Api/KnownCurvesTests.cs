using System.Collections.Immutable;
using Backprop.Console.Api.Feeds;
using Backprop.Training.Curves;

namespace Backprop.Console.Tests.Api;

/// <summary>What a node knows of a run's curves is what was recorded, and written once for all who
/// have come equally far.</summary>
public sealed class KnownCurvesTests
{
    private const int Steps = 700;

    [Fact]
    public void What_is_known_is_what_was_recorded_however_it_came()
    {
        var record = new CurveRecord(1);
        KnownCurves known = KnownCurves.Empty;
        for (int first = 0; first < Steps; first += 90)
        {
            record.Enter(Recorded(first, Math.Min(Steps, first + 90)));
            known = known.With(record);
        }

        CurveSegment all = known.Between(0, long.MaxValue);
        Assert.Equal(Recorded(0, Steps).Points.AsEnumerable(), all.Points);
        Assert.Equal(Recorded(0, Steps).LayerNorms.AsEnumerable(), all.LayerNorms);
        Assert.Equal(Steps, known.EndStep);
        Assert.Equal(
            Enumerable.Range(250, 20).Select(step => (long)step),
            known.Between(250, 270).Points.Select(point => point.FirstStep));
    }

    [Fact]
    public void Who_reads_an_earlier_state_is_not_told_of_what_came_later()
    {
        var record = new CurveRecord(1);
        record.Enter(Recorded(0, 300));
        KnownCurves before = KnownCurves.Empty.With(record);
        record.Enter(Recorded(300, 310));
        KnownCurves after = before.With(record);

        Assert.Equal(300, before.Between(0, long.MaxValue).Points.Length);
        Assert.Equal(310, after.Between(0, long.MaxValue).Points.Length);
    }

    [Fact]
    public void Points_are_written_once_for_all_who_have_come_equally_far()
    {
        var record = new CurveRecord(1);
        record.Enter(Recorded(0, Steps));
        KnownCurves known = KnownCurves.Empty.With(record);
        int written = 0;
        ToldPoints? first = null;
        for (int reader = 0; reader < 3; reader++)
        {
            ToldPoints? told = known.From(600, 50, segment =>
            {
                written++;
                return new byte[segment.Points.Length];
            });
            Assert.Equal(50, told!.Data.Length);
            Assert.Equal(649, told.Last.Index);
            first ??= told;
            Assert.Same(first, told);
        }

        Assert.Equal(1, written);
        Assert.Null(known.From(Steps, 50, _ => throw new InvalidOperationException("none")));
    }

    // The first steps have a point each.
    private static CurveSegment Recorded(int first, int end)
    {
        ImmutableArray<CurvePoint> points =
        [
            .. Enumerable.Range(first, end - first).Select(step => new CurvePoint(
                step, 1, step, step, step, step, 0.1f, 0.001f)),
        ];
        return new CurveSegment(1, points, [.. points.Select(point => (float)point.FirstStep)]);
    }
}
