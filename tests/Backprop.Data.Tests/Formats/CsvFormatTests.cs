using System.Globalization;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;

namespace Backprop.Data.Tests.Formats;

public sealed class CsvFormatTests : IDisposable
{
    private readonly DataFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void TheShippedTablesAreRead()
    {
        using TableDataset iris = Shipped("iris", new TableTarget.Class("class"));
        Assert.Equal(150, iris.Count);
        Assert.Equal(["0", "1", "2"], iris.Classes());
        Assert.Equal(
            ["sepal_length", "sepal_width", "petal_length", "petal_width"], iris.Names());
        Assert.Equal([5.1f, 3.5f, 1.4f, 0.2f], iris.Features(0));
        Assert.Equal([50L, 50, 50], ClassCounts.Of(iris).ToArray());

        using TableDataset wine = Shipped("wine", new TableTarget.Class("class"));
        Assert.Equal([59L, 71, 48], ClassCounts.Of(wine).ToArray());
        Assert.Equal(13, wine.FeatureShape.Count);

        using TableDataset concrete =
            Shipped("concrete", new TableTarget.Values(["compressive_strength"]));
        Assert.Equal(1030, concrete.Count);
        Assert.Equal(8, concrete.FeatureShape.Count);
        Assert.Equal([79.99f], concrete.Targets(0));
    }

    [Fact]
    public void EveryKindOfColumnBecomesItsFeatures()
    {
        using TableDataset table = Read(
            """
            id,size,colour,grade,price
            a7,1.5,red,low,10
            b9,-2e1,"blue, dark",high,20
            c1, 3 ,red,mid,30
            """,
            new TableTarget.Values(["price"]),
            new TableColumn.Ignored("id"), new TableColumn.Categorical("colour"),
            new TableColumn.Ordinal("grade", ["low", "mid", "high"]));
        Assert.Equal(["size", "colour=blue, dark", "colour=red", "grade"], table.Names());
        Assert.Equal([1.5f, 0, 1, 0], table.Features(0));
        Assert.Equal([-20f, 1, 0, 2], table.Features(1));
        Assert.Equal([3f, 0, 1, 1], table.Features(2));
        Assert.Equal([20f], table.Targets(1));
    }

    [Fact]
    public void ClassesAreSortedByNumberWhereAllAreWholeNumbersElseByCharacter()
    {
        Assert.Equal(["2", "9", "10"], Classes("x,y\n1,10\n1,9\n1,2\n"));
        Assert.Equal(["10", "9", "b"], Classes("x,y\n1,b\n1,9\n1,10\n"));
        Assert.Equal(["B", "a"], Classes("x,y\n1,a\n1,B\n1,a\n"));

        string[] Classes(string text)
        {
            using TableDataset table = Read(text, new TableTarget.Class("y"));
            return table.Classes();
        }
    }

    [Fact]
    public void GivenClassesKeepTheirOrder()
    {
        using TableDataset table =
            Read("x,y\n1,no\n2,yes\n", new TableTarget.Class("y", ["yes", "no", "maybe"]));
        Assert.Equal(1, table.Label(0));
        Assert.Equal(0, table.Label(1));
        Assert.Equal(["yes", "no", "maybe"], table.Classes());
    }

    [Fact]
    public void WithoutAHeaderColumnsAreNumbered()
    {
        string path = _folder.Write("plain.txt", "1;2;a\n3;4;b\n");
        using TableDataset table = TableFormat.Open(new TableOptions
        {
            Paths = [path],
            Syntax = new TableSyntax.Csv { HasHeader = false, Delimiter = ';' },
            Target = new TableTarget.Class("3"),
        });
        Assert.Equal(["1", "2"], table.Names());
        Assert.Equal([3f, 4], table.Features(1));
        Assert.Equal(["a", "b"], table.Classes());
    }

    [Fact]
    public void ATestSetIsReadIntoTheFeaturesOfTheTrainingSet()
    {
        using TableDataset train = Read(
            "colour,y\nred,a\nblue,b\ngreen,c\n", new TableTarget.Class("y"),
            new TableColumn.Categorical("colour"));
        string path = _folder.Write("test.csv", "colour,y\ngreen,b\n");
        using TableDataset test = TableFormat.Open(train.Resolved with { Paths = [path] });
        Assert.Equal(train.Names(), test.Names());
        Assert.Equal([0f, 1, 0], test.Features(0));
        Assert.Equal(1, test.Label(0));

        string unknown = _folder.Write("unknown.csv", "colour,y\nred,b\npink,b\n");
        Assert.Equal(
            $"{unknown}, line 3, column 'colour': 'pink' is not a category of this column; "
            + "there are blue, green, red",
            Refused(train.Resolved with { Paths = [unknown] }).Message);
    }

    [Fact]
    public void ATableToPredictFromNeedsNoTarget()
    {
        using TableDataset table = Read("a,b\n1,2\n", null);
        Assert.Equal([1f, 2], table.Features(0));
        Assert.Equal(0, table.Target.Width);
    }

    [Fact]
    public void ShardsAreOneTable()
    {
        using TableDataset table = TableFormat.Open(new TableOptions
        {
            Paths =
            [
                _folder.Write("1.csv", "x,y\n1,b\n2,a"), _folder.Write("2.csv", "x,y\r\n3,c\r\n"),
            ],
            Target = new TableTarget.Class("y"),
        });
        Assert.Equal(3, table.Count);
        Assert.Equal([1f, 0, 2], Enumerable.Range(0, 3).Select(i => table.Label(i)));
        Assert.Equal([3f], table.Features(2));
    }

    [Fact]
    public void ShardsWithOtherColumnsAreRefused() =>
        Assert.Contains(
            "line 1: its columns are x, z; in ",
            Refused(new TableOptions
            {
                Paths =
                [
                    _folder.Write("1.csv", "x,y\n1,b\n"), _folder.Write("2.csv", "x,z\n1,b\n"),
                ],
                Target = new TableTarget.Class("y"),
            }).Message,
            StringComparison.Ordinal);

    [Fact]
    public void MissingNumbersAreFilledFromTheTrainingPart()
    {
        TableDataset table = Read(
            "a,b,c,y\n1,NA,u,1\n?,4,,2\n3,6,v,3\n", new TableTarget.Values(["y"]),
            new TableColumn.Numeric("a") { Missing = new MissingFill(MissingPolicy.Mean) },
            new TableColumn.Numeric("b") { Missing = new MissingFill(MissingPolicy.Constant, -5) },
            new TableColumn.Categorical("c") { MissingIsCategory = true });
        Assert.True(float.IsNaN(table.Features(1)[0]));
        using PreparedData data =
            PreparedData.Of(table, null, null, 1, new PreparationOptions());
        Assert.Equal(["a", "b", "c=u", "c=v", "c=(missing)"], table.Names());
        Assert.Equal([1f, -5, 1, 0, 0], data.Train.Features(0));
        Assert.Equal([2f, 4, 0, 0, 1], data.Train.Features(1));
    }

    [Theory]
    [InlineData("x,y\n1,2\nabc,3\n", "line 3, column 'x': 'abc' is not a number")]
    [InlineData("x,y\n1,2\n\n1,oops\n", "line 4, column 'y': 'oops' is not a number")]
    [InlineData("x,y\n1e39,2\n", "line 2, column 'x': '1e39' is not finite")]
    [InlineData("x,y\nNaN,2\n", "line 2, column 'x': 'NaN' is not finite")]
    [InlineData("x,y\n-Infinity,2\n", "line 2, column 'x': '-Infinity' is not finite")]
    [InlineData("x,y\n,2\n", "line 2, column 'x': a value is missing")]
    [InlineData("x,y\n1,NA\n", "line 2, column 'y': the target is missing")]
    [InlineData("x,y\n1,2,3\n", "line 2: the line has 3 values where the table has 2 columns")]
    [InlineData("x,z,y\n1,2,3\n1,2\n", "line 3: the line has 2 values where the table has 3")]
    [InlineData("x,x,y\n1,2,3\n", "line 1: two columns are named 'x'")]
    [InlineData("x,,y\n1,2,3\n", "line 1: column 2 has no name")]
    [InlineData("x,z\n1,2\n", "line 1: there is no column 'y'; its columns are x, z")]
    [InlineData("x,y\n", "there are no rows below the header")]
    [InlineData("\n\n", "there are no lines")]
    [InlineData("y\n1\n", "every column is a target")]
    [InlineData("x,y\n\"1,2\n", "inside a quoted field")]
    [InlineData("x,y\n1,2\u001b[31m\n", "'2\uFFFD[31m' is not a number")]
    public void MistakesAreNamedWithTheirPlace(string text, string expected)
    {
        string path = _folder.Write("table.csv", text);
        var options = new TableOptions { Paths = [path], Target = new TableTarget.Values(["y"]) };
        Assert.Contains(expected, Refused(options).Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void AnUnknownLevelIsRefused()
    {
        string path = _folder.Write("table.csv", "g,y\nlow,1\nlofty,2\n");
        Assert.EndsWith(
            "line 3, column 'g': 'lofty' is not a level of this column; its levels are low, high",
            Refused(new TableOptions
            {
                Paths = [path],
                Target = new TableTarget.Values(["y"]),
                Columns = [new TableColumn.Ordinal("g", ["low", "high"])],
            }).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void AColumnOfIdentifiersDoesNotBecomeThousandsOfFeatures()
    {
        string rows = string.Concat(Enumerable.Range(0, 2000)
            .Select(i => string.Create(CultureInfo.InvariantCulture, $"id{i},{i}\n")));
        string path = _folder.Write("ids.csv", "id,y\n" + rows);
        Assert.Contains(
            "line 1026, column 'id': the column has more than 1,024 different values",
            Refused(new TableOptions
            {
                Paths = [path],
                Target = new TableTarget.Values(["y"]),
                Columns = [new TableColumn.Categorical("id")],
            }).Message,
            StringComparison.Ordinal);
    }

    private static InvalidDatasetException Refused(TableOptions options) =>
        Assert.Throws<InvalidDatasetException>(() => TableFormat.Open(options));

    private static TableDataset Shipped(string name, TableTarget target) =>
        TableFormat.Open(new TableOptions
        {
            Paths = [Path.Combine(DataFolder.Shipped, "tables", name + ".csv")],
            Target = target,
        });

    private TableDataset Read(string text, TableTarget? target, params TableColumn[] columns) =>
        TableFormat.Open(new TableOptions
        {
            Paths = [_folder.Write(Guid.NewGuid().ToString("n") + ".csv", text)],
            Target = target,
            Columns = [.. columns],
        });
}
