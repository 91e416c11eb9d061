namespace Backprop.Training.Specification.Reading;

/// <summary>Finds the word that somebody meant.</summary>
internal static class Spelling
{
    private const int MaxLength = 64;

    /// <summary>What to say of an unknown word: the known word nearest to it, or all of them.
    /// </summary>
    public static string Suggest(string word, IEnumerable<string> known)
    {
        string[] candidates = [.. known.Order(StringComparer.Ordinal)];
        string? nearest = Nearest(word, candidates);
        if (nearest is not null)
        {
            return $"did you mean '{nearest}'?";
        }

        return candidates.Length == 0
            ? "nothing can stand here"
            : $"there is: {string.Join(", ", candidates)}";
    }

    /// <summary>The known word within a third of its length in edits; null: none is near.</summary>
    public static string? Nearest(string word, IEnumerable<string> known)
    {
        string? nearest = null;
        int best = int.MaxValue;
        foreach (string candidate in known)
        {
            int distance = Distance(Normalized(word), Normalized(candidate));
            int allowed = Math.Max(1, Math.Max(word.Length, candidate.Length) / 3);
            bool continues = word.Length >= 3
                && candidate.StartsWith(word, StringComparison.OrdinalIgnoreCase);
            if ((distance <= allowed || continues) && distance < best)
            {
                best = distance;
                nearest = candidate;
            }
        }

        return nearest;
    }

    /// <summary>The Damerau-Levenshtein distance (optimal string alignment): insertions, deletions,
    /// replacements and swaps of neighbours. Damerau, "A technique for computer detection and
    /// correction of spelling errors", 1964.</summary>
    public static int Distance(string a, string b)
    {
        if (a.Length > MaxLength || b.Length > MaxLength)
        {
            return a == b ? 0 : int.MaxValue;
        }

        var distance = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                distance[i, j] = i == 0 || j == 0 ? i + j : Step(i, j);
            }
        }

        return distance[a.Length, b.Length];

        int Step(int i, int j)
        {
            int replaced = distance[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            int least = Math.Min(
                replaced, 1 + Math.Min(distance[i - 1, j], distance[i, j - 1]));
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            return swapped ? Math.Min(least, distance[i - 2, j - 2] + 1) : least;
        }
    }

    /// <summary>learningRate, learning_rate and Learning-Rate are the same mistake.</summary>
    private static string Normalized(string word) =>
        string.Concat(word.Where(char.IsLetterOrDigit)).ToUpperInvariant();
}
