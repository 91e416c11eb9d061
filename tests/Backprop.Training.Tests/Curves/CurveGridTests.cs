using Backprop.Training.Curves;

namespace Backprop.Training.Tests.Curves;

/// <summary>Where the points of a run's curves lie.</summary>
public sealed class CurveGridTests
{
    [Fact]
    public void Every_step_belongs_to_one_point_and_points_follow_each_other()
    {
        long index = 0, next = 0;
        for (long step = 0; step < 20_000; step++)
        {
            if (step == next)
            {
                index = CurveGrid.IndexOf(step);
                Assert.Equal(step, CurveGrid.FirstStepOf(index));
                next = step + CurveGrid.StepsOf(index);
            }

            Assert.Equal(index, CurveGrid.IndexOf(step));
        }
    }

    [Theory]
    [InlineData(1_023, 1_023)]
    [InlineData(1_024, 1_024)]
    [InlineData(1_026, 1_025)]
    [InlineData(2_048, 1_536)]
    [InlineData(2_052, 1_537)]
    public void The_first_steps_have_a_point_each_and_later_ones_share(long step, long index) =>
        Assert.Equal(index, CurveGrid.IndexOf(step));

    [Fact]
    public void A_million_steps_are_some_six_thousand_points()
    {
        Assert.Equal(6_096, CurveGrid.IndexOf(999_999));
        Assert.InRange(CurveGrid.MaxPoints, 20_000, 21_000);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(CurveGrid.MaxSteps)]
    public void There_are_no_other_steps(long step) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => CurveGrid.IndexOf(step));
}
