using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Backprop.Data.Sources;

/// <summary>Names that stand for several files: <c>train-{0000..0009}.tar</c> for those of a range
/// of numbers, and <c>train-*.tar</c> for whatever a folder has.</summary>
public static class FilePattern
{
    /// <summary>The most files that one name may stand for.</summary>
    public const int MaxFiles = 100_000;

    private const string Between = "..";

    /// <summary>Writes a name's ranges of numbers out, the last one fastest, with as many digits as
    /// the first number has. A name without ranges stands for itself, as a URL does.</summary>
    /// <param name="name">The name.</param>
    /// <param name="files">What it stands for.</param>
    /// <param name="mistake">What is wrong with a range, and what would be right.</param>
    public static bool TryExpand(
        string name, out ImmutableArray<string> files, [NotNullWhen(false)] out string? mistake)
    {
        files = [name];
        mistake = null;
        if (RemoteFile.IsUrl(name))
        {
            return true;
        }

        // From the last range to the first: what is before one cannot hold another's end.
        for (int at = name.Length; FindRange(name, at) is { } range; at = range.Start)
        {
            if (range.Last < range.First)
            {
                mistake = $"its range goes from {range.First} down to {range.Last}; name the least "
                    + "number first";
                return false;
            }

            if (range.Last - range.First >= MaxFiles / files.Length)
            {
                mistake = $"it would be more than {MaxFiles:N0} files; name fewer";
                return false;
            }

            files = [.. Written(range, files)];
        }

        return true;

        IEnumerable<string> Written(Range range, ImmutableArray<string> endings)
        {
            for (long number = range.First; number <= range.Last; number++)
            {
                string digits = number.ToString(
                    $"D{range.Digits}", CultureInfo.InvariantCulture);
                foreach (string ending in endings)
                {
                    yield return string.Concat(
                        name.AsSpan(0, range.Start), digits,
                        ending.AsSpan(range.End));
                }
            }
        }
    }

    /// <summary>The files that match a path whose file name has <c>*</c> (any characters) or
    /// <c>?</c> (any one) in it, in the order of their names' characters; hidden ones do not. A
    /// path without them, or of a file that is there, stands for itself.</summary>
    /// <exception cref="InvalidDatasetException">None matches, too many do, or the folder cannot
    /// be looked into.</exception>
    public static ImmutableArray<string> Matching(string path)
    {
        string pattern = Path.GetFileName(path);
        if (!IsPattern(path) || File.Exists(path))
        {
            return [path];
        }

        string folder = Path.GetDirectoryName(path) ?? "";
        if (IsPattern(folder))
        {
            throw new InvalidDatasetException(
                path, "'*' and '?' stand in the name of a folder",
                "let them stand in the file's name alone");
        }

        ImmutableArray<string> files = [.. FilesIn(path, folder, pattern)];
        return files.Length switch
        {
            0 => throw new InvalidDatasetException(
                path, "no file has such a name", "name files that are there"),
            > MaxFiles => throw new InvalidDatasetException(
                path, $"more than {MaxFiles:N0} files have such a name", "name fewer"),
            _ => files,
        };
    }

    private static IEnumerable<string> FilesIn(string path, string folder, string pattern)
    {
        var options = new EnumerationOptions
        {
            MatchType = MatchType.Simple,
            MatchCasing = MatchCasing.CaseSensitive,
            AttributesToSkip = default,
            IgnoreInaccessible = false,
        };
        try
        {
            return Directory
                .EnumerateFiles(folder.Length == 0 ? "." : folder, pattern, options)
                .Take(MaxFiles + 1)
                .Select(file => Path.GetFileName(file))
                .Where(name => !name.StartsWith('.'))
                .Order(StringComparer.Ordinal)
                .Select(name => Path.Combine(folder, name))
                .ToArray();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidDatasetException(
                path, $"its folder cannot be looked into: {e.Message}",
                "name files that are there", cause: e);
        }
    }

    private static bool IsPattern(string path) => path.AsSpan().ContainsAny('*', '?');

    /// <summary>The last <c>{FIRST..LAST}</c> that ends before <paramref name="end"/>; null: there
    /// is none.</summary>
    private static Range? FindRange(string name, int end)
    {
        while (end > 0 && name.LastIndexOf('}', end - 1) is var close and >= 0)
        {
            int open = name.LastIndexOf('{', close);
            if (open >= 0 && TryParse(name.AsSpan(open + 1, close - open - 1)) is { } parsed)
            {
                return parsed with { Start = open, End = close + 1 };
            }

            end = close;
        }

        return null;
    }

    private static Range? TryParse(ReadOnlySpan<char> text)
    {
        int between = text.IndexOf(Between);
        return between > 0
            && TryNumber(text[..between], out int first)
            && TryNumber(text[(between + Between.Length)..], out int last)
            ? new Range(first, last, between, 0, 0)
            : null;
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out int number) => int.TryParse(
        text, NumberStyles.None, CultureInfo.InvariantCulture, out number);

    private readonly record struct Range(int First, int Last, int Digits, int Start, int End);
}
