namespace Backprop.EndToEnd;

/// <summary>A directory that is gone with its user.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    /// <summary>Where it is.</summary>
    public string Path { get; } =
        Directory.CreateTempSubdirectory("backprop-end-to-end-").FullName;

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
