using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>
/// Memory that two processes of one user have in common: a file without a name (memfd_create(2))
/// that is mapped in both. Its length is sealed, so that what the other process does to the file
/// never makes an access fail. It is unmapped when it is disposed and nobody holds it any more
/// (<see cref="SafeHandle.DangerousAddRef"/>).
/// </summary>
internal sealed partial class SharedMemory : SafeHandleZeroOrMinusOneIsInvalid
{
    // MFD_CLOEXEC | MFD_ALLOW_SEALING, and MFD_NOEXEC_SEAL, which systems may insist on, and those
    // before Linux 6.3 do not know.
    private const uint CreateFlags = 1 | 2;
    private const uint NoExec = 8;
    private const int InvalidArgument = 22;

    // F_ADD_SEALS, F_GET_SEALS, and F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW.
    private const int AddSeals = 1033;
    private const int GetSeals = 1034;
    private const int Seals = 1 | 2 | 4;

    // O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC: whatever the descriptor stands for, to open it
    // has no effect and does not wait.
    private const int OpenFlags = 2 | 0x100 | 0x800 | 0x80000;

    // PROT_READ | PROT_WRITE, and MAP_SHARED.
    private const int ReadAndWrite = 1 | 2;
    private const int Shared = 1;

    private readonly nuint _bytes;

    private SharedMemory(nint address, nuint bytes)
        : base(ownsHandle: true)
    {
        _bytes = bytes;
        SetHandle(address);
    }

    /// <summary>Makes zeroed memory; pages are taken when they are first touched.</summary>
    /// <param name="bytes">Its length.</param>
    /// <param name="file">What another process opens it by; open until it has.</param>
    /// <returns>Null: there is no such memory here.</returns>
    public static SharedMemory? Create(long bytes, out SafeFileHandle? file)
    {
        file = null;
        SafeFileHandle made = CreateFile();
        SharedMemory? memory = null;
        try
        {
            if (!made.IsInvalid
                && Truncate(made, bytes) == 0
                && Control(made, AddSeals, Seals) == 0)
            {
                memory = Map(made, bytes);
            }

            return memory;
        }
        finally
        {
            if (memory is null)
            {
                made.Dispose();
            }
            else
            {
                file = made;
            }
        }
    }

    /// <summary>Maps memory that another process has made. Which process, the system says; so no
    /// file is opened but one that it has open.</summary>
    /// <param name="process">The process; 0: not of this process's name space.</param>
    /// <param name="descriptor">Its descriptor of the memory.</param>
    /// <param name="bytes">The length that the memory must have.</param>
    /// <returns>Null: it cannot be opened from here, or is not such memory.</returns>
    public static SharedMemory? Open(int process, int descriptor, long bytes)
    {
        if (!OperatingSystem.IsLinux() || process <= 0 || descriptor < 0)
        {
            return null;
        }

        using SafeFileHandle file = OpenFile(
            string.Create(CultureInfo.InvariantCulture, $"/proc/{process}/fd/{descriptor}"),
            OpenFlags);
        return !file.IsInvalid
            && Control(file, GetSeals, 0) is var seals and >= 0
            && (seals & Seals) == Seals
            && RandomAccess.GetLength(file) == bytes
                ? Map(file, bytes)
                : null;
    }

    /// <inheritdoc/>
    protected override bool ReleaseHandle() => Unmap(handle, _bytes) == 0;

    private static SafeFileHandle CreateFile()
    {
        const string name = "backprop-link";
        if (!OperatingSystem.IsLinux())
        {
            return new SafeFileHandle();
        }

        SafeFileHandle file = CreateFile(name, CreateFlags | NoExec);
        if (file.IsInvalid && Marshal.GetLastPInvokeError() == InvalidArgument)
        {
            file.Dispose();
            file = CreateFile(name, CreateFlags);
        }

        return file;
    }

    private static SharedMemory? Map(SafeFileHandle file, long bytes)
    {
        nint address = Map(0, (nuint)bytes, ReadAndWrite, Shared, file, 0);
        return address == -1 ? null : new SharedMemory(address, (nuint)bytes);
    }

    [LibraryImport(
        "libc", EntryPoint = "memfd_create", StringMarshalling = StringMarshalling.Utf8,
        SetLastError = true)]
    private static partial SafeFileHandle CreateFile(string name, uint flags);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial SafeFileHandle OpenFile(string path, int flags);

    [LibraryImport("libc", EntryPoint = "ftruncate")]
    private static partial int Truncate(SafeFileHandle file, long bytes);

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(SafeFileHandle file, int command, int argument);

    [LibraryImport("libc", EntryPoint = "mmap")]
    private static partial nint Map(
        nint address, nuint bytes, int protection, int flags, SafeFileHandle file, long offset);

    [LibraryImport("libc", EntryPoint = "munmap")]
    private static partial int Unmap(nint address, nuint bytes);
}
