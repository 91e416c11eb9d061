using Backprop.Console.Rendering;
using Backprop.Training.Sweeps;

namespace Backprop.Console.Sweeps;

/// <summary>The comparison of a sweep's trials, for people.</summary>
internal static class SweepTable
{
    private const int MostLines = 20;
    private const int ShownDigits = 8;

    /// <summary>The table's lines.</summary>
    /// <param name="metric">What trials are judged by, in words.</param>
    /// <param name="ranked">What trials came to, the best first, and their values by the keys'
    /// paths; at least one.</param>
    /// <param name="width">Characters of a line.</param>
    public static IEnumerable<string> Write(
        string metric,
        IReadOnlyList<(TrialOutcome Outcome, IReadOnlyDictionary<string, string> Values)> ranked,
        int width)
    {
        string[] head =
            ["trial", .. ranked[0].Values.Keys.Select(Short), "epochs", metric, "weights"];
        IReadOnlyList<string>[] rows =
        [
            .. ranked.Take(MostLines).Select(one => (IReadOnlyList<string>)
            [
                $"{one.Outcome.Trial}", .. one.Values.Values, $"{one.Outcome.Epochs}",
                one.Outcome.Metric is { } value ? NumberText.Short(value) : "failed",
                one.Outcome.WeightsSha256?[..ShownDigits] ?? "",
            ]),
        ];
        foreach (string line in TextTable.Write(head, rows, width))
        {
            yield return line;
        }

        if (ranked.Count > MostLines)
        {
            yield return $"and {ranked.Count - MostLines} more";
        }
    }

    /// <summary>The last key of a path, which says most: whole paths would be wider than a page.
    /// </summary>
    public static string Short(string key) => key[(key.LastIndexOf('.') + 1)..];
}
