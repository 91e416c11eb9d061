using System.Collections.Immutable;

namespace Backprop.Data.Sources;

/// <summary>
/// The directories that files of a specification may lie in which somebody else has handed in: its
/// paths are names that a stranger chose. Names are judged, not links: what a link in such a
/// directory leads to was put there by the machine's own people.
/// </summary>
public sealed class DataRoots
{
    private readonly string _directory;
    private readonly ImmutableArray<string> _roots;

    /// <summary>Of a node.</summary>
    /// <param name="directory">What relative paths start from.</param>
    /// <param name="roots">The directories; empty: only <paramref name="directory"/>.</param>
    public DataRoots(string directory, ImmutableArray<string> roots)
    {
        _directory = Path.GetFullPath(directory);
        _roots = roots.IsEmpty
            ? [_directory]
            : [.. roots.Select(root => Path.GetFullPath(root, _directory))];
    }

    /// <summary>Why a file may not be named; null: it may. A URL may: what it stands for is known
    /// by its content, and comes from elsewhere.</summary>
    public string? RefusalOf(string file)
    {
        if (RemoteFile.IsUrl(file))
        {
            return null;
        }

        string path = Path.GetFullPath(file, _directory);
        return _roots.Any(root => IsBelow(path, root))
            ? null
            : $"'{file}' lies outside the directories that a cluster's data may be in"
                + $" ({string.Join(", ", _roots)}): name a file in them, or have the nodes'"
                + " backprop.data.roots name its directory too";
    }

    private static bool IsBelow(string path, string root)
    {
        string relative = Path.GetRelativePath(root, path);
        return !Path.IsPathRooted(relative) && relative != ".."
            && !relative.StartsWith($"..{Path.DirectorySeparatorChar}", StringComparison.Ordinal);
    }
}
