using Backprop.Training.Curves;

namespace Backprop.Training.Tests.Curves;

/// <summary>Points on their way from the first parameter server to the coordinator.</summary>
public sealed class CurveRecorderTests
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(1);

    private readonly CurveRecorder _recorder = new(2);

    [Fact]
    public void A_point_keeps_the_extremes_of_its_steps()
    {
        // Steps 4,096 to 4,103 are one point.
        double[] losses = [3, 1, 8, 2, 2, 2, 2, 4];
        for (int i = 0; i < losses.Length; i++)
        {
            _recorder.Enter(
                4_096 + i, losses[i], 10 - i, 0.5f / (1 + i), TimeSpan.FromSeconds(1 + i),
                [i, -i + 7]);
        }

        CurveSegment told = Told(TimeSpan.Zero);

        Assert.Equal(
            [new CurvePoint(4_096, 8, 1, 3, 8, 10, 0.0625f, 4.5f)], told.Points.AsEnumerable());
        Assert.Equal([7f, 7f], told.LayerNorms.AsEnumerable());
        Assert.Null(told.Refusal(2));
    }

    [Fact]
    public void What_is_not_taken_is_told_again_and_what_is_taken_is_not()
    {
        EnterSteps(0, 3);
        Assert.Equal(3, Told(TimeSpan.Zero).Points.Length);
        Assert.False(Tells(s_interval * 0.5));
        EnterSteps(3, 4);
        Assert.Equal(4, Told(s_interval).Points.Length);

        _recorder.Taken(3);
        EnterSteps(4, 5);
        Assert.Equal([3L, 4L], Told(s_interval * 2).Points.Select(point => point.FirstStep));

        _recorder.Taken(5);
        Assert.False(Tells(s_interval * 1_000));
    }

    [Fact]
    public void The_last_step_is_told_at_once_where_training_stands_and_again_until_it_is_taken()
    {
        EnterSteps(0, 1);
        Told(TimeSpan.Zero);
        EnterSteps(1, 2);

        Assert.True(_recorder.TryReport(TimeSpan.Zero, s_interval, stands: true, out _));
        Assert.False(_recorder.TryReport(s_interval, s_interval, stands: true, out _));
        Assert.True(_recorder.TryReport(s_interval * 60, s_interval, stands: true, out _));
        _recorder.Taken(2);
        Assert.False(_recorder.TryReport(s_interval * 600, s_interval, stands: true, out _));
    }

    [Fact]
    public void A_point_that_was_taken_before_it_was_whole_is_told_whole()
    {
        EnterSteps(4_096, 4_099);
        Told(TimeSpan.Zero);
        EnterSteps(4_099, 4_105);
        _recorder.Taken(4_099);

        Assert.Equal([8L, 1L], Told(s_interval).Points.Select(point => point.Steps));
    }

    [Fact]
    public void A_coordinator_that_is_away_for_long_costs_no_more_than_a_bound()
    {
        EnterSteps(0, 1_024);
        for (long step = 1_024; step < 200_000; step++)
        {
            EnterSteps(step, step + 1);
        }

        CurveSegment told = Told(TimeSpan.Zero);
        Assert.Equal(CurveRecorder.MaxReported, told.Points.Length);
        Assert.Equal(
            CurveGrid.IndexOf(199_999) - CurveRecorder.MaxKept + 1, told.Points[0].Index);
        Assert.Null(told.Refusal(2));
    }

    [Fact]
    public void A_step_allocates_nothing()
    {
        double[] norms = [1, 2];
        _recorder.Enter(0, 1, 1, 1, s_interval, norms);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (long step = 1; step < 10_000; step++)
        {
            _recorder.Enter(step, 1, 1, 1, s_interval, norms);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private void EnterSteps(long first, long end)
    {
        for (long step = first; step < end; step++)
        {
            _recorder.Enter(step, 1, 1, 1, s_interval, [1, 2]);
        }
    }

    private bool Tells(TimeSpan now) => _recorder.TryReport(now, s_interval, false, out _);

    private CurveSegment Told(TimeSpan now)
    {
        Assert.True(_recorder.TryReport(now, s_interval, false, out CurveSegment? segment));
        return segment;
    }
}
