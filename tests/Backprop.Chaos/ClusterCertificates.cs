using System.Collections.Immutable;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;

namespace Backprop.Chaos;

/// <summary>The authority of a chaos cluster, and the files of its nodes.</summary>
internal sealed class ClusterCertificates
{
    private static readonly TimeSpan s_life = TimeSpan.FromDays(1);

    private readonly string _directory;
    private readonly CertifiedKey _authority =
        CertificateAuthority.Create("chaos authority", DateTimeOffset.UtcNow, s_life);

    /// <summary>Writes the authority's certificate.</summary>
    /// <param name="directory">For the files.</param>
    public ClusterCertificates(string directory)
    {
        _directory = directory;
        Directory.CreateDirectory(directory);
        File.WriteAllText(AuthorityFile, _authority.Certificate);
    }

    private string AuthorityFile => Path.Combine(_directory, "authority.pem");

    /// <summary>A certificate with its key, as a node or somebody else would show it.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="roles">What it is for.</param>
    /// <param name="life">How long it is good for.</param>
    public X509Certificate2 Issue(string name, NodeRoles roles, TimeSpan? life = null)
    {
        (string certificate, string key) = Write(name, roles, life ?? s_life);
        return CertificateFiles.ReadWithKey(certificate, key);
    }

    /// <summary>The variables of a node's environment that name its files.</summary>
    /// <param name="name">What the node is called.</param>
    /// <param name="roles">What it does.</param>
    public ImmutableDictionary<string, string> VariablesOf(string name, NodeRoles roles)
    {
        (string certificate, string key) = Write(name, roles, s_life);
        return ImmutableDictionary<string, string>.Empty
            .Add("BACKPROP__TLS__AUTHORITY", AuthorityFile)
            .Add("BACKPROP__TLS__CERTIFICATE", certificate)
            .Add("BACKPROP__TLS__KEY", key);
    }

    /// <summary>Makes connections to nodes of the cluster, and to nobody else.</summary>
    public HttpMessageHandler Handler()
    {
        var handler = new SocketsHttpHandler();
        handler.SslOptions.CertificateChainPolicy =
            AuthorityTrust.PolicyOf(CertificateFiles.ReadAll(AuthorityFile));
        return handler;
    }

    private (string Certificate, string Key) Write(string name, NodeRoles roles, TimeSpan life)
    {
        CertifiedKey made = CertificateAuthority.Issue(
            _authority, name, roles, [], DateTimeOffset.UtcNow, life);
        string certificate = Path.Combine(_directory, $"{name}.pem");
        string key = Path.Combine(_directory, $"{name}-key.pem");
        File.WriteAllText(key, made.Key);
        File.WriteAllText(certificate, made.Certificate);
        return (certificate, key);
    }
}
