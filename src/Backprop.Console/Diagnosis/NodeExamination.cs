using System.Collections.Immutable;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks at everything that a node needs before it is one. It changes nothing, and waits
/// for nobody for more than a few seconds.</summary>
internal static class NodeExamination
{
    public static async Task<ImmutableArray<Finding>> ExamineAsync(
        NodeConfiguration node, CancellationToken cancellation)
    {
        var found = ImmutableArray.CreateBuilder<Finding>();
        found.Add(RuntimeCheck.Version());
        found.Add(RuntimeCheck.Collector());
        found.Add(ProcessorCheck.Kernels());
        found.AddRange(ProcessorCheck.Cores(node));
        found.Add(MemoryCheck.Memory());
        found.Add(MemoryCheck.OpenFiles(node));
        found.AddRange(HostCheck.Examine(node));
        found.Add(CertificateCheck.Examine(node, TimeProvider.System));
        found.AddRange(PortCheck.Examine(node));
        found.AddRange(await PeerCheck.ExamineAsync(node, cancellation));
        found.AddRange(await DatabaseCheck.ExamineAsync(node, cancellation));
        found.Add(await ClockCheck.ExamineAsync(cancellation));
        found.AddRange(DirectoryCheck.Examine(node));
        found.Add(PluginCheck.Examine(node));
        return found.ToImmutable();
    }
}
