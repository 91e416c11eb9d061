using System.Globalization;

namespace Backprop.Console.Rendering;

/// <summary>Numbers as people read them, the same in every country.</summary>
internal static class NumberText
{
    private const int ShortName = 5;
    private const int SecondsInMinute = 60;
    private const double BytesInUnit = 1024;

    /// <summary>With the seven digits that fp32 is sure of: <c>0.7513651</c>; a number that
    /// has a short name keeps it: <c>0.6</c>, not <c>0.60000002</c>.</summary>
    public static string Full(float value)
    {
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        return Exponent(shortest.Count(char.IsAsciiDigit) <= ShortName
            ? shortest
            : value.ToString("G7", CultureInfo.InvariantCulture));
    }

    /// <summary>With seven digits.</summary>
    public static string Full(double value) =>
        Exponent(value.ToString("G7", CultureInfo.InvariantCulture));

    /// <summary>With four digits, for drawings and progress: <c>0.7514</c>.</summary>
    public static string Short(double value) =>
        Exponent(value.ToString("G4", CultureInfo.InvariantCulture));

    /// <summary>A share of one: <c>97.2%</c>.</summary>
    public static string Percent(double share) =>
        (share * 100).ToString("0.0", CultureInfo.InvariantCulture) + "%";

    /// <summary>A whole number with separators: <c>101,770</c>.</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A rate or another large number with three digits: <c>84.2k</c>.</summary>
    public static string Rate(double value) => value switch
    {
        >= 1e9 => (value / 1e9).ToString("G3", CultureInfo.InvariantCulture) + "G",
        >= 1e6 => (value / 1e6).ToString("G3", CultureInfo.InvariantCulture) + "M",
        >= 1e4 => (value / 1e3).ToString("G3", CultureInfo.InvariantCulture) + "k",
        _ => value.ToString("0", CultureInfo.InvariantCulture),
    };

    /// <summary>An amount of memory: <c>398 KiB</c>.</summary>
    public static string Bytes(double bytes)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        int unit = 0;
        while (bytes >= BytesInUnit && unit < units.Length - 1)
        {
            bytes /= BytesInUnit;
            unit++;
        }

        return bytes.ToString(bytes < 100 ? "0.#" : "0", CultureInfo.InvariantCulture)
            + " " + units[unit];
    }

    /// <summary>A time: <c>4.2 s</c>, <c>3 min 20 s</c>, <c>2 h 5 min</c>.</summary>
    public static string Time(TimeSpan time) => time.TotalSeconds switch
    {
        < SecondsInMinute => time.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture) + " s",
        < SecondsInMinute * SecondsInMinute => $"{(int)time.TotalMinutes} min {time.Seconds} s",
        _ => $"{(int)time.TotalHours} h {time.Minutes} min",
    };

    private static string Exponent(string number) => number.Replace("E-0", "e-").Replace('E', 'e');
}
