using Backprop.Training.Specification;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Tests.Specification;

/// <summary>Included files, relative to the file that names them.</summary>
internal sealed class IncludedFiles : IIncludeSource
{
    public IncludedText? Find(string includingFile, string name)
    {
        string path = Path.GetFullPath(
            Path.Combine(Path.GetDirectoryName(Path.GetFullPath(includingFile))!, name));
        return File.Exists(path) ? new IncludedText(path, File.ReadAllText(path)) : null;
    }
}

/// <summary>The run files that the repository ships.</summary>
internal static class RunFiles
{
    public static IEnumerable<string> All => Directory
        .GetFiles(RepositoryPaths.Runs, "*.conf", SearchOption.AllDirectories)
        .Select(file => Path.GetRelativePath(RepositoryPaths.Runs, file))
        .Order(StringComparer.Ordinal);

    public static RunSpecification Read(string name)
    {
        string file = Path.Combine(RepositoryPaths.Runs, name);
        return RunSpecificationReader.Read(File.ReadAllText(file), file, new IncludedFiles());
    }
}
