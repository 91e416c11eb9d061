using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;

namespace Backprop.Distributed.Tests.Security;

/// <summary>An authority and what it issues, in files that are gone afterwards.</summary>
internal sealed class TestAuthority : IDisposable
{
    public static readonly TimeSpan Life = TimeSpan.FromDays(1);

    private readonly string _directory =
        Directory.CreateTempSubdirectory("backprop-certificates-").FullName;

    private readonly CertifiedKey _authority;

    public TestAuthority(string name = "test authority")
    {
        _authority = CertificateAuthority.Create(name, DateTimeOffset.UtcNow, Life);
        File.WriteAllText(AuthorityFile, _authority.Certificate);
    }

    public string AuthorityFile => Path.Combine(_directory, "authority.pem");

    /// <summary>The authority's certificate, in PEM.</summary>
    public string Pem => _authority.Certificate;

    /// <summary>Whose certificates are believed.</summary>
    public X509Certificate2Collection Authorities => CertificateFiles.ReadAll(AuthorityFile);

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>A certificate and its key, in files.</summary>
    public TlsConfiguration Issue(
        string name, NodeRoles roles, DateTimeOffset? at = null, TimeSpan? life = null)
    {
        CertifiedKey made = CertificateAuthority.Issue(
            _authority, name, roles, [], at ?? DateTimeOffset.UtcNow, life ?? Life);
        var files = new TlsConfiguration(
            AuthorityFile, Path.Combine(_directory, $"{name}.pem"),
            Path.Combine(_directory, $"{name}-key.pem"));
        File.WriteAllText(files.Key, made.Key);
        File.WriteAllText(files.Certificate, made.Certificate);
        return files;
    }

    /// <summary>A certificate with its key.</summary>
    public X509Certificate2 Certificate(
        string name, NodeRoles roles, DateTimeOffset? at = null, TimeSpan? life = null)
    {
        TlsConfiguration files = Issue(name, roles, at, life);
        return CertificateFiles.ReadWithKey(files.Certificate, files.Key);
    }

    /// <summary>What a node shows and knows others by.</summary>
    public NodeCertificates Load(string name, NodeRoles roles) =>
        NodeCertificates.Load(Issue(name, roles), roles, TimeProvider.System);
}
