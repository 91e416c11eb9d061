using Backprop.Console.Rendering;

namespace Backprop.Console.Tests.Rendering;

public class TextTableTests
{
    [Fact]
    public void Numbers_are_set_to_the_right_of_their_columns() => Assert.Equal(
        [
            "name  count",
            "───────────",
            "ab        1",
            "c     1,000",
        ],
        TextTable.Write(["name", "count"], [["ab", "1"], ["c", "1,000"]], 80));

    [Fact]
    public void A_name_that_is_too_long_is_cut_and_80_columns_are_kept()
    {
        string[] lines =
        [
            .. TextTable.Write(
                ["layer", "kind", "output", "parameters"],
                [[new string('x', 200), "batch-normalization", "128x128x3", "1,234,567"]], 80),
        ];

        Assert.All(lines, line => Assert.True(line.Length <= 80, line));
        Assert.Contains("x… ", lines[2]);
        Assert.EndsWith("1,234,567", lines[2]);
    }
}
