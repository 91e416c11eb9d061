using Backprop.Console.Rendering;

namespace Backprop.Console.Tests.Rendering;

public sealed class SparklineTests
{
    [Fact]
    public void Heights_follow_the_values() =>
        Assert.Equal("▁▃▅█", Sparkline.Draw([1, 2, 3.2, 5]));

    [Fact]
    public void A_long_fall_is_drawn_logarithmically() =>
        Assert.Equal("█▅▁", Sparkline.Draw([100, 1, 0.01]));

    [Fact]
    public void What_is_not_finite_is_marked_and_spoils_nothing_else() =>
        Assert.Equal("▁!█", Sparkline.Draw([1, double.NaN, 2]));

    [Theory]
    [InlineData(3.0, "▁▁")]
    [InlineData(double.NaN, "!!")]
    public void A_level_line_is_no_mistake(double value, string drawn) =>
        Assert.Equal(drawn, Sparkline.Draw([value, value]));
}
