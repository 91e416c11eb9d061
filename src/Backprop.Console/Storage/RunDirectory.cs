namespace Backprop.Console.Storage;

/// <summary>
/// The directory of a run's results: checkpoints while it trains, and at the end the model, a
/// summary and a copy of the specification. Held by one process at a time.
/// </summary>
internal sealed class RunDirectory : IDisposable
{
    private readonly FileStream _lock;

    private RunDirectory(string path, FileStream @lock)
    {
        Path = path;
        _lock = @lock;
    }

    /// <summary>Where it is, as the user named it.</summary>
    public string Path { get; }

    /// <summary>The trained network.</summary>
    public string ModelFile => System.IO.Path.Combine(Path, "model.bpm");

    /// <summary>What the run came to, as JSON.</summary>
    public string SummaryFile => System.IO.Path.Combine(Path, "summary.json");

    /// <summary>The specification that the run was started with.</summary>
    public string SpecificationFile => System.IO.Path.Combine(Path, "run.conf");

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

        string lockFile = System.IO.Path.Combine(path, ".lock");
        try
        {
            Directory.CreateDirectory(path);
            return new RunDirectory(path, new FileStream(
                lockFile, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1,
                FileOptions.DeleteOnClose));
        }
        catch (UnauthorizedAccessException failure)
        {
            throw new IOException(
                $"no permission to write to the directory '{path}'; choose another with --output",
                failure);
        }
        catch (IOException failure) when (File.Exists(lockFile))
        {
            throw new IOException(
                $"another process is training in '{path}'; choose another directory with --output",
                failure);
        }
    }

    /// <summary>Where member <paramref name="member"/> of <paramref name="members"/> networks keeps
    /// its checkpoints; made if it is not there.</summary>
    public string CheckpointDirectory(int member, int members)
    {
        string directory = members == 1 ? Path : System.IO.Path.Combine(Path, $"member-{member}");
        Directory.CreateDirectory(directory);
        return directory;
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();
}
