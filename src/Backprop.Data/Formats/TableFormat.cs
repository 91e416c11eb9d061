using System.Collections.Immutable;

namespace Backprop.Data.Formats;

/// <summary>Reads tables, in whatever syntax. A table is held in memory; data that are larger than
/// that belong into <c>.npy</c> files.</summary>
public static class TableFormat
{
    /// <summary>The most categories that a column may be found to have: a column of identifiers
    /// shall not become a million features.</summary>
    public const int MaxInferredCategories = 1024;

    /// <summary>Reads a table.</summary>
    /// <exception cref="InvalidDatasetException">A file is not what it should be; the message says
    /// in which row and column, and what would be right.</exception>
    public static TableDataset Open(TableOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfZero(options.Paths.Length, nameof(options));
        TableBuilder? table = null;
        foreach (string path in options.Paths)
        {
            using TableRows rows = TableRows.Open(path, options.Syntax);
            if (table is null)
            {
                table = new TableBuilder(rows, options);
            }
            else
            {
                table.RequireSame(rows);
            }

            AddRows(rows, table);
        }

        return table!.ToTable(options);
    }

    /// <summary>The names of a file's columns.</summary>
    /// <exception cref="InvalidDatasetException">The file is not what it should be.</exception>
    public static ImmutableArray<string> ReadColumns(string path, TableSyntax syntax)
    {
        using TableRows rows = TableRows.Open(path, syntax);
        return rows.Columns;
    }

    private static void AddRows(TableRows rows, TableBuilder table)
    {
        if (!rows.Read())
        {
            throw new InvalidDatasetException(
                rows.Path, "there are no rows below the header", "give at least one row");
        }

        do
        {
            table.AddRow(rows);
        }
        while (rows.Read());
    }
}
