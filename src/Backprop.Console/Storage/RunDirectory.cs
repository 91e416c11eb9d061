namespace Backprop.Console.Storage;

/// <summary>
/// The directory of a run's results: checkpoints while it trains, and at the end the model, a
/// summary and a copy of the specification. Held by one process at a time.
/// </summary>
internal sealed class RunDirectory : IDisposable
{
    // Of Windows, and what flock(2) says.
    private const int SharingViolation = unchecked((int)0x80070020);
    private const int LockedElsewhereOnLinux = 11;
    private const int LockedElsewhereOnMac = 35;

    /// <summary>The name of the specification's copy.</summary>
    public const string SpecificationName = "run.conf";

    private readonly bool _isNew;
    private readonly FileStream _lock;

    private RunDirectory(string path, bool isNew, FileStream @lock)
    {
        Path = path;
        _isNew = isNew;
        _lock = @lock;
    }

    /// <summary>Where it is, as the user named it.</summary>
    public string Path { get; }

    /// <summary>The trained network.</summary>
    public string ModelFile => System.IO.Path.Combine(Path, "model.bpm");

    /// <summary>What the run came to, as JSON.</summary>
    public string SummaryFile => System.IO.Path.Combine(Path, "summary.json");

    /// <summary>The specification that the run was started with.</summary>
    public string SpecificationFile => System.IO.Path.Combine(Path, SpecificationName);

    /// <summary>The digests of the versions that one process, or an embedded cluster, made.
    /// </summary>
    public string DigestsFile => System.IO.Path.Combine(Path, DigestFile.Name);

    /// <summary>Where the coordinator and the parameter servers of an embedded cluster keep what
    /// they need to go on.</summary>
    public string StateDirectory => System.IO.Path.Combine(Path, "state");

    /// <summary>Makes the directory if it is not there, and holds it.</summary>
    /// <exception cref="IOException">Another process holds it, or it cannot be written to.
    /// </exception>
    public static RunDirectory Open(string path)
    {
        if (File.Exists(path))
        {
            throw new MistakeException(
                $"'{path}' is a file; --output wants the name of a directory");
        }

        bool isNew = !Directory.Exists(path);
        try
        {
            Directory.CreateDirectory(path);
            return new RunDirectory(path, isNew, new FileStream(
                System.IO.Path.Combine(path, ".lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite,
                FileShare.None, 1, FileOptions.DeleteOnClose));
        }
        catch (IOException failure) when (
            failure.HResult is SharingViolation or LockedElsewhereOnLinux or LockedElsewhereOnMac)
        {
            throw new IOException(
                $"another process is training in '{path}'; choose another directory with --output",
                failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new IOException(
                $"cannot write to the directory '{path}': {Reason(path, failure)}; choose another "
                + "with --output", failure);
        }
    }

    private static string Reason(string path, Exception failure)
    {
        string? above = System.IO.Path.GetFullPath(path);
        while (above is not null && !File.Exists(above))
        {
            above = System.IO.Path.GetDirectoryName(above);
        }

        return (above, failure) switch
        {
            (string file, _) => $"'{file}' is a file",
            (_, UnauthorizedAccessException) => "no permission",
            _ => failure.Message,
        };
    }

    /// <summary>Where member <paramref name="member"/> of <paramref name="members"/> networks keeps
    /// its checkpoints; made if it is not there.</summary>
    public string CheckpointDirectory(int member, int members)
    {
        string directory = MemberDirectory(Path, member, members);
        Directory.CreateDirectory(directory);
        return directory;
    }

    /// <summary>Where one of the networks of a run's directory keeps its checkpoints.</summary>
    public static string MemberDirectory(string path, int member, int members) =>
        members == 1 ? path : System.IO.Path.Combine(path, $"member-{member}");

    /// <summary>Lets the directory go; one that was made for nothing is removed.</summary>
    public void Dispose()
    {
        _lock.Dispose();
        if (_isNew && !Directory.EnumerateFileSystemEntries(Path).Any())
        {
            Directory.Delete(Path);
        }
    }
}
