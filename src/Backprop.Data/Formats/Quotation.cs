namespace Backprop.Data.Formats;

/// <summary>Shows what stands in a file that somebody else wrote.</summary>
internal static class Quotation
{
    private const int MaxShown = 40;

    /// <summary>A value in quotes, shortened, without anything a terminal would act upon.</summary>
    public static string Of(string value)
    {
        string shown = value.Length > MaxShown ? value[..MaxShown] + "…" : value;
        return $"'{string.Concat(shown.Select(c => char.IsControl(c) ? '\uFFFD' : c))}'";
    }
}
