using System.Collections.Immutable;

namespace Backprop.Data.Formats;

/// <summary>
/// The rows of one file of a table, read one after the other. Every value is handed out as text,
/// in the spelling that a CSV file would have: so a table comes to the same samples, to the last
/// bit, however it is written.
/// </summary>
internal abstract class TableRows : IDisposable
{
    /// <summary>The file.</summary>
    public abstract string Path { get; }

    /// <summary>The columns' names, all different.</summary>
    public abstract ImmutableArray<string> Columns { get; }

    /// <summary>Where the names stand.</summary>
    public abstract DataPosition Header { get; }

    /// <summary>Where the row stands that was read last.</summary>
    public abstract DataPosition Position { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="InvalidDatasetException">It is not there, or not what it should be.
    /// </exception>
    public static TableRows Open(string path, TableSyntax syntax) => syntax switch
    {
        TableSyntax.Csv csv => new CsvRows(path, csv),
        TableSyntax.JsonLines => new JsonLinesRows(path),
        TableSyntax.Parquet => new ParquetRows(path),
        _ => throw new InvalidOperationException($"unknown syntax of a table {syntax}"),
    };

    /// <summary>Goes to the next row; false: there is none.</summary>
    /// <exception cref="InvalidDatasetException">The row is not what it should be.</exception>
    public abstract bool Read();

    /// <summary>A value of the row, as UTF-8; good until the next row is read.</summary>
    /// <param name="column">Its column, from 0.</param>
    /// <param name="isNull">Whether the file says in its own way that there is no value.</param>
    public abstract ReadOnlySpan<byte> Value(int column, out bool isNull);

    /// <inheritdoc/>
    public abstract void Dispose();

    /// <summary>Refuses names that cannot tell columns apart.</summary>
    protected static ImmutableArray<string> RequireNames(
        string path, ImmutableArray<string> names, string remedy, DataPosition place)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < names.Length; i++)
        {
            if (names[i].Length == 0 || !seen.Add(names[i]))
            {
                throw new InvalidDatasetException(
                    path,
                    names[i].Length == 0
                        ? $"column {i + 1} has no name"
                        : $"two columns are named {Quotation.Of(names[i])}",
                    remedy, place);
            }
        }

        return names;
    }
}
