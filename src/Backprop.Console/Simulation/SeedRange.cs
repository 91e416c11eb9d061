using System.Globalization;

namespace Backprop.Console.Simulation;

/// <summary>Seeds, both ends included.</summary>
/// <param name="First">The first.</param>
/// <param name="Last">The last.</param>
internal readonly record struct SeedRange(ulong First, ulong Last)
{
    private const string Separator = "..";

    /// <summary>Reads <c>A..B</c>, or one seed; null: it is neither.</summary>
    public static SeedRange? Parse(string text)
    {
        string[] ends = text.Split(Separator);
        return ends.Length <= 2 && Seed(ends[0]) is { } first && Seed(ends[^1]) is { } last
            && first <= last
            ? new SeedRange(first, last)
            : null;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{First}{Separator}{Last}";

    private static ulong? Seed(string text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out ulong seed)
            ? seed
            : null;
}
