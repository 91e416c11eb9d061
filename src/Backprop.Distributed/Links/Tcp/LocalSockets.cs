using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>
/// Where the nodes of one user on one machine find each other without the network: a directory that
/// only this user may enter, in which every node has a Unix socket. Its name follows from the
/// node's, so nobody has to be told of it, and nobody can have another path dialled.
/// </summary>
public sealed partial class LocalSockets
{
    private const UnixFileMode OwnerOnly =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const string Ending = ".sock";
    private const int NameBytes = 16;

    // An address has room for 108 bytes, and a zero ends it.
    private const int MaxPathBytes = 107;

    // SOL_SOCKET and SO_PEERCRED, which is answered by process, user and group.
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int UserAt = 4;
    private const int CredentialBytes = 12;

    private readonly string _directory;

    private LocalSockets(string directory) => _directory = directory;

    /// <summary>Makes the directory where there is none, and looks whether it is this user's alone.
    /// Sockets that ended processes have left in it are deleted.</summary>
    /// <param name="directory">The directory; empty: the user's usual one.</param>
    /// <param name="refusal">Why there are none.</param>
    /// <returns>The sockets; null: there are none here.</returns>
    public static LocalSockets? Open(string directory, out string refusal)
    {
        refusal = "";
        if (!OperatingSystem.IsLinux())
        {
            refusal = "the user at the other end of a socket is asked of Linux only";
            return null;
        }

        string path = Path.GetFullPath(directory.Length > 0 ? directory : UsualDirectory());
        if (Encoding.UTF8.GetByteCount(path) + 1 + (2 * NameBytes) + Ending.Length > MaxPathBytes)
        {
            refusal = $"the name of '{path}' is too long for a socket's address";
            return null;
        }

        try
        {
            Directory.CreateDirectory(path, OwnerOnly);
            if (new DirectoryInfo(path).LinkTarget is not null
                || File.GetUnixFileMode(path) != OwnerOnly)
            {
                refusal = $"'{path}' is not a directory that its owner alone may enter";
                return null;
            }

            var sockets = new LocalSockets(path);
            sockets.DeleteAbandoned();
            return sockets;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            refusal = $"'{path}' cannot be used: {failure.Message}";
            return null;
        }
    }

    /// <summary>Where a node's socket is.</summary>
    internal string PathOf(string cluster, string node)
    {
        // A cluster's name has no zero in it, so no two pairs are the same text.
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes($"{cluster}\0{node}"));
        return Path.Combine(_directory, Convert.ToHexStringLower(hash, 0, NameBytes) + Ending);
    }

    /// <summary>A socket for connections between processes of this machine.</summary>
    internal static Socket NewSocket() =>
        new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    /// <summary>The user that this process is of.</summary>
    internal static uint OwnUser { get; } = OperatingSystem.IsLinux() ? EffectiveUser() : 0;

    /// <summary>Why the process at the other end is not one of <paramref name="own"/>'s; null: it
    /// is. The system says so, and not the process.</summary>
    internal static string? RefusalOf(Socket socket, uint own)
    {
        Span<byte> credentials = stackalloc byte[CredentialBytes];
        int length = socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
        uint user = BinaryPrimitives.ReadUInt32LittleEndian(credentials[UserAt..]);
        return length == CredentialBytes && user == own
            ? null
            : $"it is a process of user {user}, and this node's is {own}";
    }

    /// <summary>The process at the other end, as the system says; 0: it is of another name space.
    /// </summary>
    internal static int ProcessOf(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[CredentialBytes];
        return socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials)
            == CredentialBytes
                ? BinaryPrimitives.ReadInt32LittleEndian(credentials)
                : 0;
    }

    private static string UsualDirectory()
    {
        string? runtime = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR");
        return Directory.Exists(runtime)
            ? Path.Combine(runtime, "backprop")
            : Path.Combine(Path.GetTempPath(), $"backprop-{OwnUser}");
    }

    private void DeleteAbandoned()
    {
        foreach (string path in Directory.EnumerateFiles(_directory, "*" + Ending))
        {
            if (IsAbandoned(path))
            {
                File.Delete(path);
            }
        }
    }

    // A datagram never gets through to a socket of streams, so nobody who listens is disturbed:
    // where somebody does, the kind of socket is refused, and where nobody does, the connection.
    private static bool IsAbandoned(string path)
    {
        using var probe = new Socket(
            AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        try
        {
            probe.Connect(new UnixDomainSocketEndPoint(path));
            return false;
        }
        catch (SocketException failure)
        {
            return failure.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }

    [LibraryImport("libc", EntryPoint = "geteuid")]
    private static partial uint EffectiveUser();
}
