using Backprop.Console.Rendering;

namespace Backprop.Console.Tests.Rendering;

public class LossCurveTests
{
    private static readonly double[] s_falling =
        [.. Enumerable.Range(0, 300).Select(i => 2.0 / (1 + (i * 0.05)))];

    [Theory]
    [InlineData(60)]
    [InlineData(80)]
    public void It_fits_the_width_it_is_given(int width)
    {
        IReadOnlyList<string> lines = LossCurve.Draw(
            new LossSeries("training loss", s_falling), new LossSeries("validation", s_falling),
            width, 12);

        Assert.Equal(12 + 3, lines.Count);
        Assert.All(lines, line => Assert.True(line.Length <= width, line));
    }

    [Fact]
    public void A_falling_loss_goes_from_top_left_to_bottom_right()
    {
        IReadOnlyList<string> lines =
            LossCurve.Draw(new LossSeries("loss", [3, 2, 1]), null, 60, 8);

        Assert.StartsWith("        3 ┤", lines[1]);
        Assert.StartsWith("        1 ┤", lines[8]);
        Assert.True(lines[1][11] is > '\u2800' and <= '\u28ff');
        Assert.True(lines[8].Length == 60);
        Assert.EndsWith("epoch 3", lines[^1]);
    }

    [Fact]
    public void A_fall_over_decades_is_drawn_logarithmically()
    {
        IReadOnlyList<string> lines =
            LossCurve.Draw(new LossSeries("loss", [1, 0.1, 0.01, 0.001]), null, 60, 9);

        Assert.Contains("logarithmic", lines[0]);
        Assert.Contains("0.0316", lines[5]);
    }

    [Fact]
    public void A_second_series_is_told_apart_without_colour()
    {
        IReadOnlyList<string> lines = LossCurve.Draw(
            new LossSeries("training loss", [3, 2, 1]),
            new LossSeries("validation loss", [3, 3, 3]), 60, 8);

        Assert.Contains("training loss (line), validation loss (o)", lines[0]);
        Assert.Equal(3, lines.Skip(1).Take(8).Sum(line => line.Count(c => c == 'o')));
    }

    [Fact]
    public void There_is_no_curve_of_less_than_two_finite_losses() => Assert.Empty(
        LossCurve.Draw(new LossSeries("loss", [1, double.NaN]), null, 60, 8));

    [Fact]
    public void Losses_that_are_not_finite_leave_a_gap() => Assert.NotEmpty(LossCurve.Draw(
        new LossSeries("loss", [1, double.NaN, 0.5, double.PositiveInfinity, 0.4]), null, 60, 8));

    [Fact]
    public void A_loss_that_never_changes_is_a_level_line() => Assert.NotEmpty(
        LossCurve.Draw(new LossSeries("loss", [1, 1, 1]), null, 60, 8));
}
