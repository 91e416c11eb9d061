using System.Globalization;
using System.Text;

namespace Backprop.Data.Tokenizers;

/// <summary>
/// What Unicode's normalization form C may change (Unicode Standard Annex 15): marks, which may be
/// joined with what stands before them or change places, and characters that stand for others. The
/// program knows no cultures, and the base class library then normalizes nothing.
/// </summary>
internal static class FormC
{
    // Of other categories, from UnicodeData.txt; neighbours that are only near them are taken too.
    private static readonly (int First, int Last)[] s_replaced =
    [
        (0x374, 0x387), (0x958, 0x95F), (0x9DC, 0x9DF), (0xA33, 0xA36), (0xA59, 0xA5E),
        (0xB5C, 0xB5D), (0xF43, 0xF69), (0x1161, 0x11C2), (0x1F71, 0x1FFD), (0x2000, 0x2001),
        (0x2126, 0x212B), (0x2329, 0x232A), (0x2ADC, 0x2ADC), (0xF900, 0xFAD9), (0xFB1D, 0xFB4E),
        (0x1D15E, 0x1D1C0), (0x2F800, 0x2FA1D),
    ];

    /// <summary>Whether a text with this character may be another in form C.</summary>
    public static bool MayChange(Rune rune)
    {
        if (rune.Value < 0x300)
        {
            return false;
        }

        UnicodeCategory category = Rune.GetUnicodeCategory(rune);
        bool isMark = category is UnicodeCategory.NonSpacingMark
            or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;
        return isMark
            || s_replaced.Any(range => rune.Value >= range.First && rune.Value <= range.Last);
    }
}
