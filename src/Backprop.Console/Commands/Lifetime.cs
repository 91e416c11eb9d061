using System.Globalization;

namespace Backprop.Console.Commands;

/// <summary>How long something is good for, as an option says it.</summary>
internal static class Lifetime
{
    private const int MostDays = 3_650;

    /// <summary>Reads a time such as 90d, 12h or 30m.</summary>
    /// <exception cref="MistakeException">It is none, or longer than ten years.</exception>
    public static TimeSpan Parse(string option, string text)
    {
        TimeSpan unit = text.LastOrDefault() switch
        {
            'd' => TimeSpan.FromDays(1),
            'h' => TimeSpan.FromHours(1),
            'm' => TimeSpan.FromMinutes(1),
            _ => TimeSpan.Zero,
        };
        bool isNumber = int.TryParse(
            text.AsSpan(0, Math.Max(0, text.Length - 1)), NumberStyles.None,
            CultureInfo.InvariantCulture, out int count);
        return isNumber && count > 0 && unit > TimeSpan.Zero
            && count <= TimeSpan.FromDays(MostDays) / unit
            ? count * unit
            : throw new MistakeException(
                $"{option}: '{text}' is no time up to {MostDays}d, written like 90d, 12h or 30m");
    }
}
