using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Tests.Specification;

public sealed class SpellingTests
{
    [Theory]
    [InlineData("", "", 0)]
    [InlineData("units", "units", 0)]
    [InlineData("unit", "units", 1)]
    [InlineData("nuits", "units", 1)]
    [InlineData("kitten", "sitting", 3)]
    [InlineData("abc", "", 3)]
    public void Distance_counts_edits_and_swaps(string a, string b, int expected)
    {
        Assert.Equal(expected, Spelling.Distance(a, b));
        Assert.Equal(expected, Spelling.Distance(b, a));
    }

    [Theory]
    [InlineData("learningrate", "learning-rate")]
    [InlineData("learning_rate", "learning-rate")]
    [InlineData("label-smooth", "label-smoothing")]
    [InlineData("xyz", null)]
    public void The_nearest_word_is_found_if_one_is_near(string word, string? expected) =>
        Assert.Equal(expected, Spelling.Nearest(
            word, ["learning-rate", "label-smoothing", "epochs"]));
}
