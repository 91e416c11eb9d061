using System.IO.Compression;

namespace Backprop.Data.Tests;

/// <summary>A temporary folder that is gone when the test is over, and the repository's data.
/// </summary>
public sealed class DataFolder : IDisposable
{
    private readonly string _path = Directory.CreateTempSubdirectory("backprop-data-").FullName;

    /// <summary>The repository's data folder.</summary>
    public static string Shipped { get; } = FindShipped();

    /// <summary>A path in the folder.</summary>
    public string PathOf(string name) => Path.Combine(_path, name);

    /// <summary>Writes a file and returns its path.</summary>
    public string Write(string name, byte[] bytes)
    {
        File.WriteAllBytes(PathOf(name), bytes);
        return PathOf(name);
    }

    /// <summary>Writes a text file and returns its path.</summary>
    public string Write(string name, string text)
    {
        File.WriteAllText(PathOf(name), text);
        return PathOf(name);
    }

    /// <summary>Writes a gzip-compressed file and returns its path.</summary>
    public string WriteGzip(string name, byte[] bytes) => Write(name, Gzip(bytes));

    /// <summary>Bytes, gzip-compressed.</summary>
    public static byte[] Gzip(byte[] bytes)
    {
        using var compressed = new MemoryStream();
        using (var gzip = new GZipStream(compressed, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return compressed.ToArray();
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_path, recursive: true);

    private static string FindShipped()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "global.json")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return Path.Combine(
            folder ?? throw new InvalidOperationException("not run from the repository"), "data");
    }
}
