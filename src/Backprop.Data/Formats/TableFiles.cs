namespace Backprop.Data.Formats;

/// <summary>What the names of files say of the tables in them.</summary>
public static class TableFiles
{
    private const string GzipEnding = ".gz";

    /// <summary>The syntax that a file's ending stands for: <c>.csv</c>, <c>.tsv</c>,
    /// <c>.jsonl</c>, <c>.ndjson</c> or <c>.parquet</c>, the texts with <c>.gz</c> behind it as
    /// well.</summary>
    /// <param name="path">The file's name; it need not exist.</param>
    /// <param name="csv">How separated values are written, and every file whose ending says
    /// nothing.</param>
    public static TableSyntax SyntaxOf(string path, TableSyntax csv) =>
        EndingOf(path) switch
        {
            ".parquet" => new TableSyntax.Parquet(),
            ".jsonl" or ".ndjson" => new TableSyntax.JsonLines(),
            ".tsv" => new TableSyntax.Csv { Delimiter = '\t' },
            ".csv" when csv is not TableSyntax.Csv => new TableSyntax.Csv(),
            _ => csv,
        };

    /// <summary>A file's ending in lower case, without that of compression.</summary>
    internal static string EndingOf(string path)
    {
        string name = path.EndsWith(GzipEnding, StringComparison.OrdinalIgnoreCase)
            ? path[..^GzipEnding.Length]
            : path;
        return Path.GetExtension(name).ToLowerInvariant();
    }
}
