using System.Collections.Immutable;
using Backprop.Data.Preparation;

namespace Backprop.Data.Formats;

/// <summary>Writes tables anew: in another syntax, or in two parts.</summary>
public static class TableConversion
{
    /// <summary>Writes a table in another syntax; the values are the same.</summary>
    /// <param name="profile">What is in the table.</param>
    /// <param name="from">How it is written.</param>
    /// <param name="missingTokens">What is written for a missing value.</param>
    /// <param name="to">How it is to be written.</param>
    /// <param name="destination">Takes the file.</param>
    /// <exception cref="InvalidDatasetException">A value cannot be written so.</exception>
    public static void Convert(
        TableProfile profile, TableSyntax from, ImmutableArray<string> missingTokens,
        TableSyntax to, Stream destination)
    {
        var missing = new MissingValues(missingTokens);
        using TableRows rows = TableRows.Open(profile.Source, from);
        TableWriter writer = TableWriter.Create(destination, to, profile.Columns);
        while (rows.Read())
        {
            writer.Write(rows, missing);
        }

        writer.Finish();
    }

    /// <summary>Which rows of a table are held out: those that a run of the same seed would hold
    /// out of it for validation.</summary>
    /// <param name="profile">What is in the table.</param>
    /// <param name="from">How it is written.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="fraction">The part that is held out, in (0, 1).</param>
    /// <param name="classColumn">The column whose classes are held out in proportion; null: none.
    /// </param>
    /// <exception cref="InvalidDatasetException">There is no such column, or too few rows.
    /// </exception>
    public static ImmutableArray<long> HeldOut(
        TableProfile profile, TableSyntax from, ulong seed, double fraction, string? classColumn)
    {
        int rows = checked((int)profile.Rows);
        using InMemoryDataset samples = classColumn is null
            ? InMemoryDataset.OfValues(profile.Source, Numbered(rows), Numbered(rows))
            : WithClasses(profile, from, classColumn);
        return ValidationSplit.Of(samples, seed, fraction, classColumn is not null)
            .Validation.OriginalIndices;
    }

    /// <summary>Writes the rows of a table that are held out to one file, the others to another,
    /// each in the table's order.</summary>
    /// <param name="profile">What is in the table.</param>
    /// <param name="from">How it is written.</param>
    /// <param name="missingTokens">What is written for a missing value.</param>
    /// <param name="heldOut">The rows that are held out.</param>
    /// <param name="others">Takes the other rows, and how they are written.</param>
    /// <param name="held">Takes those that are held out, and how they are written.</param>
    /// <exception cref="InvalidDatasetException">A value cannot be written so.</exception>
    public static void Split(
        TableProfile profile, TableSyntax from, ImmutableArray<string> missingTokens,
        ImmutableArray<long> heldOut, (Stream Stream, TableSyntax Syntax) others,
        (Stream Stream, TableSyntax Syntax) held)
    {
        var missing = new MissingValues(missingTokens);
        HashSet<long> isHeld = [.. heldOut];
        using TableRows rows = TableRows.Open(profile.Source, from);
        TableWriter otherRows = TableWriter.Create(others.Stream, others.Syntax, profile.Columns);
        TableWriter heldRows = TableWriter.Create(held.Stream, held.Syntax, profile.Columns);
        for (long row = 0; rows.Read(); row++)
        {
            (isHeld.Contains(row) ? heldRows : otherRows).Write(rows, missing);
        }

        otherRows.Finish();
        heldRows.Finish();
    }

    private static float[][] Numbered(int rows) =>
        [.. Enumerable.Range(0, rows).Select(row => new float[] { row })];

    private static InMemoryDataset WithClasses(
        TableProfile profile, TableSyntax from, string column)
    {
        using TableRows rows = TableRows.Open(profile.Source, from);
        int index = rows.Columns.IndexOf(column, 0, StringComparer.Ordinal);
        if (index < 0)
        {
            throw new InvalidDatasetException(
                profile.Source, $"there is no column {Quotation.Of(column)}",
                $"its columns are {string.Join(", ", rows.Columns)}");
        }

        var classes = NameColumnReader.OfClasses(
            new TableTarget.Class(column), ArrayDataset.MaxInferredClasses);
        while (rows.Read())
        {
            ReadOnlySpan<byte> value = rows.Value(index, out bool isNull);
            classes.Add(value, isNull, new TablePlace(profile.Source, rows.Position, column));
        }

        classes.Finish();
        int count = checked((int)profile.Rows);
        return InMemoryDataset.OfClasses(
            profile.Source, Numbered(count),
            [.. Enumerable.Range(0, count).Select(row => classes.Index(row))],
            [.. classes.Names]);
    }
}
