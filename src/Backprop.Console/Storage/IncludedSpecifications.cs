using Backprop.Training.Specification.Hocon;

namespace Backprop.Console.Storage;

/// <summary>Files that a specification includes, relative to the one that names them.</summary>
internal sealed class IncludedSpecifications : IIncludeSource
{
    /// <inheritdoc/>
    public IncludedText? Find(string includingFile, string name)
    {
        string folder = Path.GetDirectoryName(Path.GetFullPath(includingFile)) ?? "";
        string path = Path.GetFullPath(Path.Combine(folder, name));
        if (!File.Exists(path))
        {
            return null;
        }

        string shown = Path.GetRelativePath(Directory.GetCurrentDirectory(), path);
        return new IncludedText(shown, SpecificationFile.ReadText(path));
    }
}
