using System.Diagnostics;

namespace Backprop.Tests.Shared;

/// <summary>A file system in memory of a given size; making one takes the rights of root, and a
/// test that has none is skipped.</summary>
internal sealed class SmallDisk : IDisposable
{
    private const int BlockBytes = 4096;

    private SmallDisk(string path) => Path = path;

    public string Path { get; }

    private string Filler => System.IO.Path.Combine(Path, "filler");

    public static SmallDisk Mount(string path, string size)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "mounts are made as Linux makes them");
        Directory.CreateDirectory(path);
        (int exitCode, string error) =
            Run("mount", "-t", "tmpfs", "-o", $"size={size}", "tmpfs", path);
        Skip.If(exitCode != 0, $"a small disk takes the rights of root: {error}");
        return new SmallDisk(path);
    }

    public void MakeReadOnly()
    {
        (int exitCode, string error) = Run("mount", "-o", "remount,ro", Path);
        Skip.If(exitCode != 0, $"it cannot be made read-only: {error}");
    }

    private long FreeBytes => new DriveInfo(Path).AvailableFreeSpace;

    /// <summary>Fills it up, but for so many bytes. Others may write to it meanwhile.</summary>
    public void FillBut(int bytes)
    {
        using var filler = new FileStream(Filler, FileMode.Create, FileAccess.Write, default, 1);
        try
        {
            while (FreeBytes > bytes)
            {
                filler.Write(new byte[BlockBytes]);
            }
        }
        catch (IOException) when (FreeBytes < BlockBytes)
        {
            // Somebody else has taken the last block.
        }
    }

    public void Empty() => File.Delete(Filler);

    public void Dispose()
    {
        (int exitCode, string error) = Run("umount", Path);
        if (exitCode != 0)
        {
            throw new InvalidOperationException($"'{Path}' stays mounted: {error}");
        }
    }

    private static (int ExitCode, string Error) Run(string program, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardError = true,
        }) ?? throw new InvalidOperationException($"{program} did not start");
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, error.Trim());
    }
}
