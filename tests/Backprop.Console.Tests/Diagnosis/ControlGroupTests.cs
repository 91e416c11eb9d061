using Backprop.Console.Diagnosis;

namespace Backprop.Console.Tests.Diagnosis;

/// <summary>Limits of containers, as both versions of control groups write them.</summary>
public sealed class ControlGroupTests : IDisposable
{
    private readonly ScratchDirectory _files = new();

    public void Dispose() => _files.Dispose();

    [Theory]
    [InlineData("150000 100000", "1073741824", 1.5, 1L << 30)]
    [InlineData("max 100000", "max", null, null)]
    public void Version_2(string cpu, string memory, double? cores, long? bytes)
    {
        Directory.CreateDirectory(_files["job"]);
        _files.Write("job/cpu.max", cpu + "\n");
        _files.Write("job/memory.max", memory + "\n");
        ControlGroup group = Of("0::/job\n");
        Assert.Equal((cores, bytes), (group.Cores(), group.MemoryBytes()));
    }

    [Theory]
    [InlineData("200000", "536870912", 2.0, 1L << 29)]
    [InlineData("-1", "9223372036854771712", null, null)]
    public void Version_1(string quota, string memory, double? cores, long? bytes)
    {
        Directory.CreateDirectory(_files["cpu"]);
        Directory.CreateDirectory(_files["memory"]);
        _files.Write("cpu/cpu.cfs_quota_us", quota);
        _files.Write("cpu/cpu.cfs_period_us", "100000");
        _files.Write("memory/memory.limit_in_bytes", memory);
        // In a container the own group is mounted where the root would be.
        ControlGroup group = Of("4:cpu,cpuacct:/docker/abc\n7:memory:/docker/abc\n");
        Assert.Equal((cores, bytes), (group.Cores(), group.MemoryBytes()));
    }

    [Fact]
    public void None_at_all() =>
        Assert.Equal((null, null), (Of("").Cores(), Of("").MemoryBytes()));

    private ControlGroup Of(string membership) =>
        new(_files.Path, _files.Write("membership", membership));
}
