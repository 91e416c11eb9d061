using System.Globalization;
using Backprop.Console.Storage;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks at what a node may take.</summary>
internal static class MemoryCheck
{
    private const long LeastMemory = 512L << 20;

    // Of the runtime, the database, and what listens.
    private const int OtherFiles = 256;

    // A link each way with a peer, and as many again while they are dialled anew.
    private const int FilesOfAPeer = 4;
    private const int SomePeers = 64;

    public static Finding Memory()
    {
        long whole = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        long? allowed = OperatingSystem.IsLinux() ? new ControlGroup().MemoryBytes() : null;
        string limit = allowed is { } bytes ? $" (limit of the container: {MiB(bytes)})" : "";
        string text = $"{MiB(whole)}{limit}, of which a run's part may take"
            + $" {MiB(SpecificationFile.MemoryLimitBytes)}";
        return whole < LeastMemory
            ? Finding.Warning(
                "memory", text, "give it more: small networks alone fit into so little")
            : Finding.Ok("memory", text);
    }

    public static Finding OpenFiles(NodeConfiguration node)
    {
        const string check = "open files";
        if (!OperatingSystem.IsLinux() || SoftLimit() is not { } most)
        {
            return Finding.Ok(check, "no limit is known");
        }

        int wanted = OtherFiles + (FilesOfAPeer * SomePeers);
        return most < wanted
            ? Finding.Warning(
                check, $"{most:N0} at most; a cluster of {SomePeers} nodes wants {wanted:N0}",
                "raise it: ulimit -n, LimitNOFILE of systemd, or --ulimit nofile of a container")
            : Finding.Ok(check, $"{most:N0} at most, for up to"
                + $" {Math.Min((most - OtherFiles) / FilesOfAPeer, node.Links.Options.MaxAccepted)}"
                + " peers");
    }

    private static long? SoftLimit()
    {
        const string name = "Max open files";
        string? line = File.ReadLines("/proc/self/limits")
            .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
        string? soft = line?[name.Length..]
            .Split(' ', StringSplitOptions.RemoveEmptyEntries).FirstOrDefault();
        return long.TryParse(soft, NumberStyles.None, CultureInfo.InvariantCulture, out long most)
            ? most
            : null;
    }

    private static string MiB(long bytes) =>
        string.Create(CultureInfo.InvariantCulture, $"{bytes >> 20:N0} MiB");
}
