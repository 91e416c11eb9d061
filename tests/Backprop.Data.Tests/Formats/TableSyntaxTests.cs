using System.Text;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;

namespace Backprop.Data.Tests.Formats;

/// <summary>A table is the same samples however it is written. The fixtures are one table, in
/// Parquet by Apache Arrow's library: tools/fixtures/Tables.cs.</summary>
public sealed class TableSyntaxTests : IDisposable
{
    private static readonly string s_fixtures = Path.Combine(
        DataFolder.Shipped, "..", "tests", "Backprop.Data.Tests", "Fixtures");

    private readonly DataFolder _folder = new();

    public static TheoryData<TableSyntax, string> Others => new()
    {
        { new TableSyntax.JsonLines(), "mixed.jsonl" },
        { new TableSyntax.Parquet(), "mixed.parquet" },
    };

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Others))]
    public void ATableIsTheSameBitsInEverySyntax(TableSyntax syntax, string file)
    {
        using TableDataset expected = Open(new TableSyntax.Csv(), Fixture("mixed.csv"));
        using TableDataset table = Open(syntax, Fixture(file));
        Assert.Equal(40, table.Count);
        Assert.Equal(expected.Names(), table.Names());
        Assert.Equal(expected.Classes(), table.Classes());
        Assert.Equal(Filled(expected), Filled(table));
    }

    [Fact]
    public void AColumnIsTheSameUnderEveryCompressionAndEncoding()
    {
        using var expected = TableRows.Open(Fixture("mixed.parquet"), new TableSyntax.Parquet());
        using var rows = TableRows.Open(Fixture("codecs.parquet"), new TableSyntax.Parquet());
        int id = rows.Columns.IndexOf("id");
        Assert.Equal(10, id);
        int count = 0;
        for (; expected.Read() && rows.Read(); count++)
        {
            string rank = Encoding.UTF8.GetString(
                expected.Value(expected.Columns.IndexOf("rank"), out bool isMissing));
            for (int column = 0; column < id; column++)
            {
                string value = Encoding.UTF8.GetString(rows.Value(column, out bool isNull));
                Assert.Equal((rank, isMissing), (value, isNull));
            }
        }

        Assert.Equal(40, count);
        Assert.False(rows.Read());
    }

    // By hand: row 1 of the table is 1, 16777217, 0.37 - 3.3, "blue, dark", false, 1000003, 39.
    [Theory]
    [MemberData(nameof(Others))]
    public void ValuesAreThoseThatWereWritten(TableSyntax syntax, string file)
    {
        using TableDataset table = Open(syntax, Fixture(file));
        Assert.Equal(
            [
                "id", "size", "weight", "colour=\"dark\" red", "colour=blue, dark", "colour=grün",
                "colour=red", "colour=(missing)", "flag=false", "flag=true", "flag=(missing)",
                "count", "rank",
            ],
            table.Names());
        Assert.Equal(
            [1, 16777216f, (float)0.37 - 3.3f, 0, 1, 0, 0, 0, 1, 0, 0, 1000003, 39],
            table.Features(1));
        Assert.True(float.IsNaN(table.Features(4)[1]));
        Assert.Equal("yes", table.Classes()[(int)table.Label(1)]);
    }

    [Theory]
    [InlineData("mixed.csv")]
    [InlineData("mixed.jsonl")]
    public void ACompressedTextIsTheSameTable(string file)
    {
        TableSyntax syntax = TableFiles.SyntaxOf(file + ".gz", new TableSyntax.Csv());
        using TableDataset plain = Open(syntax, Fixture(file));
        using TableDataset compressed = Open(
            syntax, _folder.WriteGzip("table.gz", File.ReadAllBytes(Fixture(file))));
        Assert.Equal(DatasetDigest.Compute(plain), DatasetDigest.Compute(compressed));
    }

    [Fact]
    public void ATestTableMayBeWrittenOtherwiseThanTheTrainingTable()
    {
        using TableDataset train = Open(new TableSyntax.Csv(), Fixture("mixed.csv"));
        using TableDataset test = TableFormat.Open(train.Resolved with
        {
            Paths = [Fixture("mixed.parquet")],
            Syntax = new TableSyntax.Parquet(),
        });
        DatasetSchema.RequireEqual(train, test);
        Assert.Equal(train.Features(0), test.Features(0));
    }

    [Theory]
    [InlineData("{\"x\": 1, \"y\": 2}\n{\"x\": \"abc\", \"y\": 3}\n",
        "line 2, column 'x': 'abc' is not a number")]
    [InlineData("{\"x\": 1, \"y\": 2}\n\n{\"x\": null, \"y\": 3}\n",
        "line 3, column 'x': a value is missing")]
    [InlineData("{\"x\": 1, \"y\": 2}\n{\"y\": 3}\n", "line 2, column 'x': a value is missing")]
    [InlineData("{\"x\": 1, \"y\": 2}\n{\"x\": 1, \"z\": 2}\n", "line 2: there is no column 'z'")]
    [InlineData("{\"x\": 1, \"y\": 2}\n{\"x\": 1, \"x\": 2, \"y\": 2}\n",
        "line 2, column 'x': the key stands twice")]
    [InlineData("{\"x\": 1, \"x\": 2}\n", "line 1: two columns are named 'x'")]
    [InlineData("{\"\": 1, \"y\": 2}\n", "line 1: column 1 has no name")]
    [InlineData("{\"x\": [1], \"y\": 2}\n",
        "line 1, column 'x': the value is an object or an array")]
    [InlineData("{\"x\": 1, \"y\": 2} {}\n", "line 1: the line is no JSON object")]
    [InlineData("{\"x\": 1, \"y\": 2}\n{\"x\": 1,", "line 2: the line is no JSON object")]
    [InlineData("[1, 2]\n", "line 1: the line is no JSON object")]
    [InlineData("{\"x\": 01, \"y\": 2}\n", "line 1: the line is no JSON object")]
    [InlineData("{\"x\": 1e99, \"y\": 2}\n", "line 1, column 'x': '1e99' is not finite")]
    [InlineData("{\"x\": 1}\n", "line 1: there is no column 'y'")]
    [InlineData("\n \n", "there are no lines")]
    public void MistakesInJsonLinesAreNamedWithTheirPlace(string text, string expected)
    {
        string path = _folder.Write("table.jsonl", text);
        Assert.Contains(
            expected, Refused(new TableSyntax.JsonLines(), path).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void LinesAreReadAcrossBuffersAndEndsOfAnyKind()
    {
        string filler = new(' ', 100_000);
        string path = _folder.Write(
            "table.jsonl",
            "\uFEFF{\"x\": 1, \"y\": 10}\r\n{\"y\": 20, " + filler + "\"x\": \" 2\"}\n\n\t\r\n"
            + "{\"x\": 3e0, \"y\": \"\\u0033\"}");
        using TableDataset table = TableFormat.Open(Values(new TableSyntax.JsonLines(), path));
        Assert.Equal([1f, 2, 3], Enumerable.Range(0, 3).Select(i => table.Features(i)[0]));
        Assert.Equal([10f, 20, 3], Enumerable.Range(0, 3).Select(i => table.Targets(i)[0]));
    }

    [Fact]
    public void ALineWithoutEndIsRefused()
    {
        string path = _folder.WriteGzip(
            "table.jsonl.gz", [.. "{\"x\": 1, "u8, .. new byte[40 << 20]]);
        Assert.Contains(
            "line 1: the line has more than 16,777,216 bytes",
            Refused(new TableSyntax.JsonLines(), path).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void ACompressedTableThatEndsTooSoonIsRefused()
    {
        byte[] whole = DataFolder.Gzip(Encoding.UTF8.GetBytes(
            "x,y\n" + string.Concat(Enumerable.Repeat("1,1\n", 100_000))));
        for (int missing = 1; missing < 60; missing++)
        {
            string path = _folder.Write("table.csv.gz", whole[..^missing]);
            Refused(new TableSyntax.Csv(), path);
        }

        whole[^6] ^= 1;
        Assert.Contains(
            "the compressed data are damaged",
            Refused(new TableSyntax.Csv(), _folder.Write("table.csv.gz", whole)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void ValuesOfParquetAreNamedWithTheirPlaceWhereTheyAreNoNumbers()
    {
        var refused = Assert.Throws<InvalidDatasetException>(() => TableFormat.Open(
            Mixed(new TableSyntax.Parquet(), Fixture("mixed.parquet")) with
            {
                Columns = [new TableColumn.Categorical("colour") { MissingIsCategory = true }],
                Missing = new MissingFill(MissingPolicy.Mean),
            }));
        Assert.Contains(
            "column 'flag', sample 0: 'true' is not a number", refused.Message,
            StringComparison.Ordinal);
        refused = Assert.Throws<InvalidDatasetException>(() => TableFormat.Open(
            Mixed(new TableSyntax.Parquet(), Fixture("mixed.parquet")) with
            {
                Columns =
                [
                    new TableColumn.Categorical("colour") { MissingIsCategory = true },
                    new TableColumn.Categorical("flag") { MissingIsCategory = true },
                ],
                Missing = new MissingFill(MissingPolicy.Mean),
            }));
        Assert.Contains(
            "column 'day', sample 0: '2024-01-01' is not a number",
            refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PAR1", "are too few for Parquet")]
    [InlineData("this is a text, and not Parquet", "it does not end with PAR1")]
    [InlineData("PAR1\0\0\0\0\0\0\u007f\u007f\u007f\u007fPAR1", "bytes of metadata, which it does")]
    [InlineData("PAR1\u001c\u001c\u001c\u001c\u0004\0\0\0PAR1", "its metadata are damaged")]
    public void WhatIsNoParquetIsRefused(string text, string expected)
    {
        string path = _folder.Write("table.parquet", Encoding.Latin1.GetBytes(text));
        Assert.Contains(
            expected, Refused(new TableSyntax.Parquet(), path).Message, StringComparison.Ordinal);
    }

    // Recursion into it would overflow the stack, and end the process.
    [Fact]
    public void MetadataThatAreNestedWithoutEndAreRefused()
    {
        const int Depth = 1 << 20;
        const byte StructField = 0x1C;
        byte[] nested = [.. Enumerable.Repeat(StructField, Depth), .. new byte[Depth]];
        string path = _folder.Write("table.parquet",
            [.. "PAR1"u8, .. nested, .. BitConverter.GetBytes(nested.Length), .. "PAR1"u8]);
        Assert.Contains(
            "its metadata are damaged", Refused(new TableSyntax.Parquet(), path).Message,
            StringComparison.Ordinal);
    }

    internal static TableOptions Mixed(TableSyntax syntax, string path) => new()
    {
        Paths = [path],
        Syntax = syntax,
        Target = new TableTarget.Class("kind"),
        Missing = new MissingFill(MissingPolicy.Median),
        Columns =
        [
            new TableColumn.Categorical("colour") { MissingIsCategory = true },
            new TableColumn.Categorical("flag") { MissingIsCategory = true },
            new TableColumn.Ignored("day"),
        ],
    };

    internal static string Fixture(string name) => Path.Combine(s_fixtures, name);

    private static TableDataset Open(TableSyntax syntax, string path) =>
        TableFormat.Open(Mixed(syntax, path));

    private static string Filled(TableDataset table)
    {
        var preparation = DataPreparation.Fit(
            table, NormalizationMethod.None, missing: table.Missing);
        return DatasetDigest.Compute(preparation.Apply(table));
    }

    private static TableOptions Values(TableSyntax syntax, string path) => new()
    {
        Paths = [path], Syntax = syntax, Target = new TableTarget.Values(["y"]),
    };

    private static InvalidDatasetException Refused(TableSyntax syntax, string path) =>
        Assert.Throws<InvalidDatasetException>(() => TableFormat.Open(Values(syntax, path)));
}
