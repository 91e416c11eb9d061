using Backprop.Distributed.Configuration;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;

namespace Backprop.Benchmarks;

/// <summary>What links go over.</summary>
internal enum LinkKind
{
    /// <summary>TCP over loopback.</summary>
    Tcp,

    /// <summary>Unix sockets.</summary>
    Unix,

    /// <summary>Unix sockets, and pieces in memory.</summary>
    Memory,

    /// <summary>TLS over TCP.</summary>
    Tls,

    /// <summary>TLS over Unix sockets.</summary>
    UnixTls,

    /// <summary>TLS over Unix sockets, and pieces in memory.</summary>
    MemoryTls,
}

/// <summary>Makes the transports of two nodes, with the files that they need.</summary>
internal sealed class LinkSockets : IDisposable
{
    private const NodeRoles Roles = NodeRoles.Worker | NodeRoles.ParameterServer;

    private readonly LinkKind _kind;
    private readonly CertifiedKey _authority =
        CertificateAuthority.Create("benchmark", DateTimeOffset.UtcNow, TimeSpan.FromDays(1));

    private readonly DirectoryInfo _directory =
        Directory.CreateTempSubdirectory("backprop-links-");

    public LinkSockets(LinkKind kind)
    {
        _kind = kind;
        File.WriteAllText(PathOf("authority.pem"), _authority.Certificate);
    }

    /// <summary>A node's.</summary>
    public TcpTransport TransportOf(string node) => new(
        new LinkIdentity("benchmark", node, "0"),
        new LinkOptions { SharesMemory = _kind is LinkKind.Memory or LinkKind.MemoryTls },
        _kind is LinkKind.Tls or LinkKind.UnixTls or LinkKind.MemoryTls
            ? CertificatesOf(node)
            : null,
        _kind is not LinkKind.Tcp and not LinkKind.Tls
            ? LocalSockets.Open(PathOf("sockets"), out string refusal)
                ?? throw new InvalidOperationException(refusal)
            : null);

    public void Dispose() => _directory.Delete(recursive: true);

    private NodeCertificates CertificatesOf(string node)
    {
        CertifiedKey made = CertificateAuthority.Issue(
            _authority, node, Roles, [], DateTimeOffset.UtcNow, TimeSpan.FromDays(1));
        var files = new TlsConfiguration(
            PathOf("authority.pem"), PathOf($"{node}.pem"), PathOf($"{node}-key.pem"));
        File.WriteAllText(files.Certificate, made.Certificate);
        File.WriteAllText(files.Key, made.Key);
        return NodeCertificates.Load(files, Roles, TimeProvider.System);
    }

    private string PathOf(string file) => Path.Combine(_directory.FullName, file);
}
