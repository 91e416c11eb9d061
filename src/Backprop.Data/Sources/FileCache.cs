using System.Security.Cryptography;

namespace Backprop.Data.Sources;

/// <summary>
/// Files from elsewhere, kept by the SHA-256 of their content: each is got once, and again only if
/// its copy is damaged. Several processes may share a directory: a file takes its name only when it
/// is whole, and then whoever was first had the same bytes.
/// </summary>
public sealed class FileCache
{
    private const string PartialSuffix = ".partial";

    // Longer than any download: what is older was left by a process that was ended.
    private static readonly TimeSpan PartialLifetime = TimeSpan.FromDays(1);

    // Before the second attempt, the third, and the fourth, which is the last.
    private static readonly TimeSpan[] Pauses =
        [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(9)];

    private readonly string _directory;
    private readonly IFileDownload _download;
    private readonly Action<TimeSpan> _pause;
    private readonly Lock _gate = new();

    /// <summary>A cache.</summary>
    /// <param name="directory">Where files are kept; made when the first one comes.</param>
    /// <param name="download">Gets them.</param>
    /// <param name="pause">Waits before another attempt; null: the thread sleeps.</param>
    public FileCache(
        string directory, IFileDownload download, Action<TimeSpan>? pause = null)
    {
        _directory = directory;
        _download = download;
        _pause = pause ?? Thread.Sleep;
    }

    /// <summary>Where a user's files are kept if nothing else is said.</summary>
    public static string UserDirectory => Path.Combine(
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".backprop", "data");

    /// <summary>The path of a file's verified copy, which is got where there is none. Callers take
    /// turns, so that those who want the same file get it once.</summary>
    /// <exception cref="InvalidDatasetException">It did not come, is not the one that is meant, or
    /// cannot be kept; the message names the URL and the reason.</exception>
    public string PathOf(RemoteFile file)
    {
        string path = Path.Combine(_directory, file.Sha256);
        lock (_gate)
        {
            try
            {
                if (!File.Exists(path) || Digest(path) != file.Sha256)
                {
                    Directory.CreateDirectory(_directory);
                    DeleteAbandoned();
                    Fetch(file, path);
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new InvalidDatasetException(
                    file.ToString(), $"it cannot be kept in {_directory}: {e.Message}",
                    "name another directory for data that are got by HTTP, or make room there",
                    cause: e);
            }
        }

        return path;
    }

    private void Fetch(RemoteFile file, string path)
    {
        string partial = $"{path}.{Guid.NewGuid():N}{PartialSuffix}";
        try
        {
            Download(file, partial);
            string digest = Digest(partial);
            if (digest != file.Sha256)
            {
                throw new InvalidDatasetException(
                    file.ToString(),
                    $"its SHA-256 is {digest}, where the specification says {file.Sha256}",
                    "name the URL of the file that is meant, or correct the SHA-256");
            }

            File.Move(partial, path, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }
    }

    private void Download(RemoteFile file, string partial)
    {
        for (int attempt = 0; ; attempt++)
        {
            try
            {
                using var stream = new FileStream(partial, FileMode.Create, FileAccess.Write);
                _download.Download(file.Url, stream);
                stream.Flush(flushToDisk: true);
                return;
            }
            catch (DownloadException e) when (e.MayPass && attempt < Pauses.Length)
            {
                _pause(Pauses[attempt]);
            }
            catch (DownloadException e)
            {
                string attempts = attempt == 0 ? "" : $", in {attempt + 1} attempts";
                throw new InvalidDatasetException(
                    file.ToString(), $"it could not be got{attempts}: {e.Message}",
                    "name a URL that this machine can reach, or a path", cause: e);
            }
        }
    }

    private void DeleteAbandoned()
    {
        foreach (string partial in Directory.GetFiles(_directory, "*" + PartialSuffix))
        {
            if (DateTime.UtcNow - File.GetLastWriteTimeUtc(partial) > PartialLifetime)
            {
                File.Delete(partial);
            }
        }
    }

    private static string Digest(string path)
    {
        using FileStream stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
