using System.Collections.Immutable;
using System.Globalization;
using Akka.Configuration;

namespace Backprop.Distributed.Configuration;

/// <summary>
/// Reads single settings below <c>backprop</c>, each within its limits. A mistake is noted with its
/// key and what would be right, and reading goes on with a value that does no harm.
/// </summary>
internal sealed class SettingReader(Config config, ImmutableArray<string>.Builder mistakes)
{
    private const string Root = "backprop";
    private const int MaxPort = ushort.MaxValue;
    private const int MaxTextLength = 4_096;

    /// <summary>Notes a mistake of a key.</summary>
    public void Mistake(string key, string what) => mistakes.Add($"{Root}.{key}: {what}");

    /// <summary>A whole number.</summary>
    public int Integer(string key, int least, int most)
    {
        string text = Raw(key);
        if (int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int value)
            && value >= least && value <= most)
        {
            return value;
        }

        Mistake(key, $"'{text}' is not a whole number from {least:N0} to {most:N0}");
        return least;
    }

    /// <summary>A number.</summary>
    public double Number(string key, double least, double most)
    {
        string text = Raw(key);
        if (double.TryParse(
                text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            && value >= least && value <= most)
        {
            return value;
        }

        Mistake(key, string.Create(
            CultureInfo.InvariantCulture, $"'{text}' is not a number from {least} to {most}"));
        return least;
    }

    /// <summary>A port; 0 stands for any free one.</summary>
    public int Port(string key) => Integer(key, 0, MaxPort);

    /// <summary>A time.</summary>
    public TimeSpan Duration(string key, TimeSpan least, TimeSpan most)
    {
        try
        {
            TimeSpan value = config.GetTimeSpan($"{Root}.{key}");
            if (value >= least && value <= most)
            {
                return value;
            }
        }
        catch (Exception failure) when (failure is FormatException or OverflowException)
        {
            // Told below, in the same words as a value out of range.
        }

        Mistake(
            key, $"'{Raw(key)}' is not a time from {Written(least)} to {Written(most)}, "
            + "written like 30s, 5m or 1h");
        return least;
    }

    /// <summary>One of some words.</summary>
    public string Choice(string key, params string[] words)
    {
        string text = Raw(key);
        if (words.Contains(text, StringComparer.Ordinal))
        {
            return text;
        }

        Mistake(key, $"'{text}' is not {string.Join(" or ", words)}");
        return words[0];
    }

    /// <summary>A text that is not empty.</summary>
    /// <param name="key">The key.</param>
    /// <param name="what">What to give, such as "the name of a directory".</param>
    public string Text(string key, string what)
    {
        string text = Raw(key);
        if (string.IsNullOrWhiteSpace(text))
        {
            Mistake(key, $"is empty; give {what}");
        }
        else if (text.Length > MaxTextLength)
        {
            Mistake(key, $"is longer than {MaxTextLength:N0} characters; give {what}");
        }

        return text;
    }

    /// <summary>A text, or nothing.</summary>
    public string TextOrNone(string key) => Raw(key).Length == 0 ? "" : Text(key, "a text");

    /// <summary>A directory, where <c>~</c> at the beginning is the user's home.</summary>
    public string Directory(string key) => AtHome(Text(key, "the name of a directory"));

    /// <summary>A file, where <c>~</c> at the beginning is the user's home, or nothing.</summary>
    public string FileOrNone(string key) => AtHome(TextOrNone(key));

    /// <summary>Directories, at most so many.</summary>
    public ImmutableArray<string> Directories(string key, int most) =>
        [.. List(key, most).Select(AtHome)];

    /// <summary>A host's name or address.</summary>
    public string Host(string key)
    {
        string text = Raw(key);
        if (!IsHost(text))
        {
            Mistake(key, $"'{text}' is neither the name of a host nor an address");
        }

        return text;
    }

    /// <summary>A host's name or address, or nothing.</summary>
    public string HostOrNone(string key) => Raw(key).Length == 0 ? "" : Host(key);

    /// <summary>Whether it may be the name or the address of a host.</summary>
    public static bool IsHost(string text) =>
        Uri.CheckHostName(text) is not UriHostNameType.Unknown;

    /// <summary>A list, or one text with commas, as environment variables have it.</summary>
    public ImmutableArray<string> List(string key, int most)
    {
        var value = config.GetValue($"{Root}.{key}");
        ImmutableArray<string> items = value.IsArray()
            ? [.. value.GetArray().Select(item => item.GetString() ?? "")]
            :
            [
                .. (value.GetString() ?? "").Split(
                    ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries),
            ];
        if (items.Length <= most)
        {
            return items;
        }

        Mistake(key, $"has {items.Length:N0} items, where at most {most:N0} may be");
        return [];
    }

    /// <summary>True or false.</summary>
    public bool Boolean(string key) => Choice(key, "false", "true") == "true";

    /// <summary>A text that may be secret, or empty: no message of this class repeats it.</summary>
    public string Secret(string key) => Raw(key);

    /// <summary>What a file holds that is secret, without a line break at its end; empty: no file
    /// is named. No message repeats it.</summary>
    public string SecretFile(string key)
    {
        string file = AtHome(Raw(key));
        if (file.Length == 0)
        {
            return "";
        }

        try
        {
            long length = new FileInfo(file).Length;
            if (length > MaxTextLength)
            {
                Mistake(
                    key, $"{file} has {length:N0} bytes; a secret has at most {MaxTextLength:N0}");
                return "";
            }

            string secret = File.ReadAllText(file).TrimEnd('\r', '\n');
            if (secret.Length == 0)
            {
                Mistake(key, $"{file} is empty; it would hold the secret, and nothing else");
            }

            return secret;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Mistake(key, $"{file} cannot be read: {failure.Message}");
            return "";
        }
    }

    private static string AtHome(string text) =>
        text == "~" || text.StartsWith("~/", StringComparison.Ordinal)
            ? Environment.GetFolderPath(Environment.SpecialFolder.UserProfile) + text[1..]
            : text;

    private string Raw(string key) => config.GetString($"{Root}.{key}", "") ?? "";

    private static string Written(TimeSpan time) => time switch
    {
        { Ticks: 0 } => "0s",
        _ when time.Ticks % TimeSpan.TicksPerHour == 0 => $"{time.TotalHours:0}h",
        _ when time.Ticks % TimeSpan.TicksPerMinute == 0 => $"{time.TotalMinutes:0}m",
        _ when time.Ticks % TimeSpan.TicksPerSecond == 0 => $"{time.TotalSeconds:0}s",
        _ => $"{time.TotalMilliseconds:0}ms",
    };
}
