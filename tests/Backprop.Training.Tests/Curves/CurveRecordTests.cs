using Backprop.Training.Curves;

namespace Backprop.Training.Tests.Curves;

/// <summary>All points of a run, as they are recorded, stored, read and thinned out.</summary>
public sealed class CurveRecordTests
{
    private readonly CurveRecord _record = new(1);

    [Fact]
    public void The_point_with_more_steps_stays()
    {
        _record.Enter(Of((4_096, 3)));
        _record.Enter(Of((4_096, 8), (4_104, 2)));
        _record.Enter(Of((4_098, 6)));

        Assert.Equal([(4_096, 8), (4_104, 2)], Steps(_record.Read(0, int.MaxValue)));
        Assert.Equal(4_106, _record.EndStep);
    }

    [Fact]
    public void Chunks_that_changed_are_stored_and_read_back_as_they_were()
    {
        _record.Enter(Of([.. Enumerable.Range(0, 600).Select(step => ((long)step, 1L))]));
        Assert.Equal([0L, 1L, 2L], _record.Unsaved);
        byte[][] stored = [.. _record.Unsaved.ToArray().Select(
            chunk => CurveFormat.Write(_record.TakeToSave(chunk)))];
        Assert.Empty(_record.Unsaved);

        var read = new CurveRecord(1);
        Array.ForEach(stored, chunk => read.Load(CurveFormat.Read(chunk, 1)));

        Assert.Empty(read.Unsaved);
        Assert.Equal(
            _record.Read(0, int.MaxValue).Points.AsEnumerable(),
            read.Read(0, int.MaxValue).Points);
        read.Enter(Of((600, 1)));
        Assert.Equal([2L], read.Unsaved);
    }

    [Fact]
    public void Steps_in_doubt_are_forgotten()
    {
        _record.Enter(Of((0, 1), (1, 1), (300, 1)));
        _record.Unsaved.ToList().ForEach(chunk => _record.TakeToSave(chunk));

        _record.CutAt(1);

        Assert.Equal([(0, 1)], Steps(_record.Read(0, int.MaxValue)));
        Assert.Equal([0L, 1L], _record.Unsaved);
        Assert.Empty(_record.TakeToSave(1).Points);
    }

    [Fact]
    public void Gaps_are_not_read()
    {
        _record.Enter(Of((5, 1), (9, 1)));

        Assert.Equal([(5, 1), (9, 1)], Steps(_record.Read(3, 100)));
        Assert.Equal([(9, 1)], Steps(_record.Read(6, 1)));
        Assert.Empty(_record.Read(10, 100).Points);
    }

    [Fact]
    public void Fewer_points_keep_the_extremes()
    {
        CurveSegment segment = new(
            1,
            [
                new CurvePoint(0, 1, 5, 5, 5, 1, 0.1f, 1),
                new CurvePoint(1, 1, 1, 1, 1, 9, 0.2f, 3),
                new CurvePoint(2, 1, 2, 2, 2, 2, 0.3f, 1),
            ],
            [4, 2, 1]);

        CurveSegment thin = CurveThinning.Thin(segment, 2);

        Assert.Equal(
            [
                new CurvePoint(0, 2, 1, 3, 5, 9, 0.2f, 2),
                new CurvePoint(2, 1, 2, 2, 2, 2, 0.3f, 1),
            ],
            thin.Points.AsEnumerable());
        Assert.Equal([4f, 1f], thin.LayerNorms.AsEnumerable());
        Assert.Same(segment, CurveThinning.Thin(segment, 3));
    }

    public static TheoryData<long, long, long, long> Wrong => new()
    {
        { 5, 1, 5, 1 },
        { 5, 1, 4, 1 },
        { 5, 0, 6, 1 },
        { 5, 2, 8, 1 },
        { -1, 1, 0, 1 },
        { 4_096, 9, 4_200, 1 },
        { 1, 1, long.MaxValue, 1 },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Points_that_cannot_be_are_refused(
        long first, long steps, long second, long others)
    {
        CurveSegment segment = Of((first, steps), (second, others));

        Assert.NotNull(segment.Refusal(1));
        Assert.Throws<FormatException>(() => CurveFormat.Read(CurveFormat.Write(segment), 1));
    }

    [Fact]
    public void Bytes_of_other_layers_are_refused()
    {
        Assert.NotNull(Of((0, 1)).Refusal(2));
        Assert.Throws<FormatException>(
            () => CurveFormat.Read(CurveFormat.Write(Of((0, 1))), 2));
    }

    private static CurveSegment Of(params (long First, long Steps)[] points) => new(
        1,
        [
            .. points.Select(point => new CurvePoint(
                point.First, point.Steps, 1, 2, 3, 4, 5, 6)),
        ],
        [.. points.Select(point => (float)point.First)]);

    private static (long First, long Steps)[] Steps(CurveSegment segment) =>
        [.. segment.Points.Select(point => (point.FirstStep, point.Steps))];
}
