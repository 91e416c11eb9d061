using System.Globalization;

namespace Backprop.Console.Diagnosis;

/// <summary>What the control group of this process allows it, in either version of Linux's control
/// groups.</summary>
/// <param name="root">Where they are mounted.</param>
/// <param name="membership">The file that says in which group the process is.</param>
internal sealed class ControlGroup(
    string root = "/sys/fs/cgroup", string membership = "/proc/self/cgroup")
{
    private const string Unlimited = "max";

    // The first version says "no limit" by a number that no machine has.
    private const long MostMemory = 1L << 60;

    /// <summary>Cores' worth of time that it may use; null: as many as there are.</summary>
    public double? Cores()
    {
        if (Read("", "cpu.max")?.Split(' ') is [var share, var whole])
        {
            return share == Unlimited ? null : Number(share) / Number(whole);
        }

        return Read("cpu", "cpu.cfs_quota_us") is { } quota && Number(quota) is > 0 and var used
            && Read("cpu", "cpu.cfs_period_us") is { } period
            ? used / Number(period)
            : null;
    }

    /// <summary>Bytes of memory that it may use; null: as much as there is.</summary>
    public long? MemoryBytes()
    {
        string? text = Read("", "memory.max") ?? Read("memory", "memory.limit_in_bytes");
        return text is null or Unlimited || Number(text) is not (< MostMemory and var bytes)
            ? null
            : (long)bytes;
    }

    private static double Number(string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : 0;

    // In a container the own group is mounted as the root; elsewhere it lies below it.
    private string? Read(string controller, string file)
    {
        string own = PathOf(controller).TrimStart('/');
        string mounted = Path.Combine(root, controller);
        return new[] { Path.Combine(mounted, own, file), Path.Combine(mounted, file) }
            .Where(File.Exists).Select(path => File.ReadAllText(path).Trim()).FirstOrDefault();
    }

    private string PathOf(string controller) => File.Exists(membership)
        ? File.ReadLines(membership).Select(line => line.Split(':', 3))
            .Where(parts => parts is [_, var controllers, _]
                && controllers.Split(',').Contains(controller))
            .Select(parts => parts[2]).FirstOrDefault() ?? ""
        : "";
}
