using Backprop.Data.Sources;

namespace Backprop.Data.Tests.Sources;

/// <summary>What files a stranger's specification may name.</summary>
public sealed class DataRootsTests
{
    [Theory]
    [InlineData("digits/train.gz", true)]
    [InlineData("./digits/../train.gz", true)]
    [InlineData("/data/digits/train.gz", true)]
    [InlineData("..data/train.gz", true)]
    [InlineData("https://host/x#sha256=0", true)]
    [InlineData("../secret", false)]
    [InlineData("digits/../../secret", false)]
    [InlineData("/etc/passwd", false)]
    [InlineData("/database/x", false)]
    [InlineData("/data/../etc/passwd", false)]
    [InlineData("..", false)]
    public void Only_files_below_the_directory_may_be_named(string file, bool mayBe) =>
        Assert.Equal(mayBe, new DataRoots("/data", []).RefusalOf(file) is null);

    [Theory]
    [InlineData("/data/x", false)]
    [InlineData("/sets/x", true)]
    [InlineData("../sets/x", true)]
    [InlineData("more/x", true)]
    [InlineData("x", false)]
    public void Other_directories_stand_in_its_place(string file, bool mayBe) =>
        Assert.Equal(mayBe, new DataRoots("/data", ["/sets", "more"]).RefusalOf(file) is null);

    [Fact]
    public void A_refusal_says_what_would_be_right()
    {
        string refusal = new DataRoots("/data", []).RefusalOf("/etc/passwd")!;
        Assert.StartsWith(
            "'/etc/passwd' lies outside the directories that a cluster's data may be in (/data)",
            refusal);
        Assert.Contains("backprop.data.roots", refusal);
    }

    [Fact]
    public void Nothing_outside_is_opened_either()
    {
        var opener = new DataSourceOpener("/data", roots: new DataRoots("/data", []));
        var refusal = Assert.Throws<InvalidDatasetException>(() => opener.Open(
            new DataSource.Table(new() { Paths = ["/etc/passwd"], Target = null }), null));
        Assert.Contains("lies outside", refusal.Message);
    }
}
