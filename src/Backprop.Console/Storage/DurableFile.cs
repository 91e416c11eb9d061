using System.Runtime.InteropServices;
using System.Text;

namespace Backprop.Console.Storage;

/// <summary>
/// Files that are there whole or not at all: written beside their place, forced to the disk, and
/// only then given their name. A crash, a full disk or a pulled plug leaves what was there before.
/// </summary>
internal static partial class DurableFile
{
    /// <summary>What the name of a file that is still being written ends with.</summary>
    public const string PartialSuffix = ".partial";

    private const int OpenReadOnly = 0;

    /// <summary>Writes <paramref name="path"/>, replacing what is there.</summary>
    /// <exception cref="IOException">It could not be written; what was there is untouched, and
    /// nothing half-written is left.</exception>
    /// <exception cref="MistakeException">The directory it is to be in is not there.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        RequireDirectory(path);
        string partial = path + PartialSuffix;
        try
        {
            using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(partial, path, overwrite: true);
        }
        catch
        {
            DeletePartial(partial);
            throw;
        }

        SyncDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
    }

    /// <summary>Writes a text file that only its owner can read, also while it is written.
    /// </summary>
    public static void WritePrivate(string path, string text) => Write(path, stream =>
    {
        // Before there is anything in it to be read.
        if (!OperatingSystem.IsWindows() && stream is FileStream own)
        {
            File.SetUnixFileMode(
                own.SafeFileHandle, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        stream.Write(Encoding.UTF8.GetBytes(text));
    });

    /// <summary>Refuses a path whose directory is not there.</summary>
    /// <exception cref="MistakeException">It is not there.</exception>
    public static void RequireDirectory(string path)
    {
        string directory = Path.GetDirectoryName(Path.GetFullPath(path)) ?? path;
        if (!Directory.Exists(directory))
        {
            throw new MistakeException(
                $"'{path}' cannot be written: there is no directory '{directory}'");
        }
    }

    /// <summary>Writes a text file as UTF-8, replacing what is there.</summary>
    public static void WriteText(string path, string text) => Write(path, stream =>
    {
        using var writer = new StreamWriter(stream, leaveOpen: true);
        writer.Write(text);
    });

    private static void DeletePartial(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The failure to write is the one to tell; it is on its way up.
        }
    }

    /// <summary>Makes a rename durable. Windows has no such call, and NTFS journals renames.
    /// </summary>
    private static void SyncDirectory(string directory)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int descriptor = Open(directory, OpenReadOnly);
        if (descriptor < 0)
        {
            throw new IOException($"cannot open directory '{directory}' to sync it: "
                + Marshal.GetLastPInvokeErrorMessage());
        }

        try
        {
            if (FSync(descriptor) != 0)
            {
                throw new IOException($"cannot sync directory '{directory}': "
                    + Marshal.GetLastPInvokeErrorMessage());
            }
        }
        finally
        {
            Close(descriptor);
        }
    }

    [LibraryImport(
        "libc", EntryPoint = "open", SetLastError = true,
        StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    private static partial int Close(int descriptor);
}
