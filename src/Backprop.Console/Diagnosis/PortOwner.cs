using System.Globalization;

namespace Backprop.Console.Diagnosis;

/// <summary>Finds out which process listens at a port, as far as this user may see it.</summary>
internal static class PortOwner
{
    private const string Listening = "0A";

    /// <summary>The process, its number and name; null: it is not to be seen.</summary>
    public static (int Process, string Command)? Of(int port)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        HashSet<string> sockets =
            [.. new[] { "/proc/net/tcp", "/proc/net/tcp6" }.SelectMany(Sockets)];
        return Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(
                Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture,
                out int id) ? id : 0)
            .Where(id => id > 0 && Has(id, sockets))
            .Select(id => ((int, string)?)(id, CommandOf(id))).FirstOrDefault();

        IEnumerable<string> Sockets(string table) => !File.Exists(table)
            ? []
            : from line in File.ReadLines(table).Skip(1)
              let words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
              where words.Length > 9 && words[3] == Listening
                  && words[1].EndsWith($":{port:X4}", StringComparison.Ordinal)
              select $"socket:[{words[9]}]";
    }

    private static bool Has(int process, HashSet<string> sockets)
    {
        try
        {
            return Directory.EnumerateFiles($"/proc/{process}/fd")
                .Any(file => new FileInfo(file).LinkTarget is { } target
                    && sockets.Contains(target));
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return false; // It is another user's, or has ended meanwhile.
        }
    }

    private static string CommandOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/comm").Trim();
        }
        catch (IOException)
        {
            return "it has just ended";
        }
    }
}
