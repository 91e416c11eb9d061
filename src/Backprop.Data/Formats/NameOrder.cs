using System.Globalization;

namespace Backprop.Data.Formats;

/// <summary>The order of classes and categories that nobody gives: by number where all are whole
/// numbers, else by their characters' codes, and what stands for a missing value last.</summary>
internal static class NameOrder
{
    /// <summary>The names in this order.</summary>
    public static string[] Sorted(IReadOnlyCollection<string> names)
    {
        const NumberStyles Whole = NumberStyles.AllowLeadingSign;
        bool numbers = names.All(
            name => long.TryParse(name, Whole, CultureInfo.InvariantCulture, out _));
        return numbers
            ? [.. names
                .OrderBy(name => long.Parse(name, Whole, CultureInfo.InvariantCulture))
                .ThenBy(name => name, StringComparer.Ordinal)]
            : [.. names
                .OrderBy(name => name == TableOptions.MissingCategory)
                .ThenBy(name => name, StringComparer.Ordinal)];
    }
}
