using System.Collections.Immutable;
using Backprop.Engine.Optimizers;
using Backprop.Engine.Threading;

namespace Backprop.Training.Tests;

public sealed class RateFinderTests
{
    [Fact]
    public void The_steepest_descent_before_the_lowest_loss_is_suggested()
    {
        double[] losses = [5, 4.9, 4.5, 3, 2.2, 2, 3, 0.5, 9];
        RateFinding finding = RateFinder.Judge(PointsOf(losses), "over");

        Assert.Equal((8f, (float?)4f), (finding.Lowest, finding.Suggestion));
        finding = RateFinder.Judge(PointsOf([5, 4.9, 4.5, 3, 2.2, 2, 3, 9]), "over");
        Assert.Equal((6f, (float?)4f), (finding.Lowest, finding.Suggestion));
        Assert.Null(RateFinder.Judge(PointsOf([1, 2, 3, 4]), "over").Suggestion);
        Assert.Null(RateFinder.Judge([], "over").Suggestion);
    }

    [Fact]
    public void Rates_grow_by_one_factor_until_the_loss_explodes_whatever_the_threads()
    {
        TrainingPlan plan = TestPlans.Everything() with
        {
            Optimizer = new Sgd { LearningRate = 7 }, Clipping = Clipping.None,
        };
        RateFinding one = Find(plan, threads: 1), three = Find(plan, threads: 3);

        Assert.Equal(one.Points.AsEnumerable(), three.Points);
        Assert.Equal("the loss has risen to 4 times its lowest", one.Ended);
        Assert.InRange(one.Points.Length, 20, 119);
        for (int i = 1; i < one.Points.Length; i++)
        {
            double factor = (double)one.Points[i].Rate / one.Points[i - 1].Rate;
            Assert.Equal(Math.Pow(1e8, 1.0 / 119), factor, 1e-5);
        }

        // What it suggests trains, and where it stopped would not have.
        float rate = Assert.NotNull(one.Suggestion);
        Assert.InRange(rate, 1e-3f, one.Points[^1].Rate / 5);
    }

    [Theory]
    [InlineData(0, 1, 100, "the first must be above 0")]
    [InlineData(1, 1, 100, "the last above the first")]
    [InlineData(1e-3f, float.PositiveInfinity, 100, "the last above the first")]
    [InlineData(1e-3f, 1, 9, "10 are the least")]
    public void Rates_that_make_no_range_are_refused(
        float from, float to, int steps, string expected)
    {
        using var pool = new ComputePool(1);
        var refused = Assert.Throws<ArgumentException>(() => RateFinder.Find(
            TestPlans.Xor(), new RateSweep(from, to, steps), pool, TimeProvider.System, default));
        Assert.Contains(expected, refused.Message);
    }

    private static RateFinding Find(TrainingPlan plan, int threads)
    {
        using var pool = new ComputePool(threads);
        return RateFinder.Find(
            plan, new RateSweep(1e-4f, 1e4f, 120), pool, TimeProvider.System, default);
    }

    private static ImmutableArray<RatePoint> PointsOf(double[] smoothed) =>
        [.. smoothed.Select((loss, i) => new RatePoint(i + 1, loss, loss))];
}
