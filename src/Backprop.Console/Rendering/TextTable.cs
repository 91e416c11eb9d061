namespace Backprop.Console.Rendering;

/// <summary>A table in plain text: the first column to the left, the others to the right.</summary>
internal static class TextTable
{
    private const int Gap = 2;

    /// <summary>The lines; the first column is cut where the table would be wider than
    /// <paramref name="width"/>.</summary>
    public static IEnumerable<string> Write(
        IReadOnlyList<string> head, IReadOnlyList<IReadOnlyList<string>> rows, int width)
    {
        int[] widths =
        [
            .. head.Select((title, column) =>
                rows.Select(row => row[column].Length).Append(title.Length).Max()),
        ];
        int others = widths.Skip(1).Sum(w => w + Gap);
        widths[0] = Math.Max(1, Math.Min(widths[0], width - others));
        yield return Line(head, widths);
        yield return new string('─', widths[0] + others);
        foreach (IReadOnlyList<string> row in rows)
        {
            yield return Line(row, widths);
        }
    }

    private static string Line(IReadOnlyList<string> cells, int[] widths) =>
        string.Concat(cells.Select((cell, column) => column == 0
            ? (cell.Length > widths[0] ? cell[..(widths[0] - 1)] + "…" : cell.PadRight(widths[0]))
            : cell.PadLeft(widths[column] + Gap))).TrimEnd();
}
