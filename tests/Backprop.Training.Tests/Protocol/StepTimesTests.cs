using Backprop.Training.Protocol;

namespace Backprop.Training.Tests.Protocol;

/// <summary>A step is late after twice the median one, and never at once.</summary>
public sealed class StepTimesTests
{
    [Fact]
    public void Before_anything_is_measured_it_is_patient() =>
        Assert.Equal(StepTimes.Initial, new StepTimes().Patience);

    [Fact]
    public void A_few_odd_steps_do_not_matter()
    {
        var times = new StepTimes();
        foreach (int seconds in new[] { 4, 900, 4, 5, 0, 4, 6 })
        {
            times.Add(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(TimeSpan.FromSeconds(8), times.Patience);
    }

    [Fact]
    public void Steps_of_long_ago_are_forgotten()
    {
        var times = new StepTimes();
        for (int i = 0; i < 30; i++)
        {
            times.Add(TimeSpan.FromSeconds(i < 15 ? 100 : 3));
        }

        Assert.Equal(TimeSpan.FromSeconds(6), times.Patience);
    }

    [Fact]
    public void However_fast_steps_are_there_is_a_floor()
    {
        var times = new StepTimes();
        times.Add(TimeSpan.FromMilliseconds(1));
        times.Add(TimeSpan.FromMilliseconds(-5));
        Assert.Equal(StepTimes.Floor, times.Patience);
    }
}
