using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Security;

/// <summary>What a node shows its peers, and by what it knows them. The files are read again when
/// they have changed: connections that are made afterwards use what is in them then, so that
/// certificates are renewed without a restart.</summary>
/// <remarks>Safe for any thread. What has been handed out stays good.</remarks>
public sealed class NodeCertificates
{
    private readonly TlsConfiguration _configuration;
    private readonly TimeProvider _time;
    private readonly RereadFiles<Content> _files;

    private NodeCertificates(TlsConfiguration configuration, NodeRoles roles, TimeProvider time)
    {
        _configuration = configuration;
        _time = time;
        _files = new RereadFiles<Content>(
            [configuration.Authority, configuration.Certificate, configuration.Key],
            () => Read(configuration, roles, time.GetUtcNow()), time);
        _files.Reread += content => Reread?.Invoke(
            $"{_configuration.Certificate} was read again: {Describe(content)}");
        _files.Failed += why => RereadFailed?.Invoke(why);
    }

    /// <summary>The files were read again: a line for people. Called on any thread.</summary>
    public event Action<string>? Reread;

    /// <summary>The files have changed and cannot be used: why.</summary>
    public event Action<string>? RereadFailed;

    /// <summary>The node's certificate with its key.</summary>
    public X509Certificate2 Certificate => _files.Current.Certificate;

    /// <summary>That certificate as <see cref="SslStream"/> shows it.</summary>
    public SslStreamCertificateContext Context => _files.Current.Context;

    /// <summary>The certificate, for people.</summary>
    public string Description => Describe(_files.Current);

    /// <summary>Reads the files.</summary>
    /// <param name="configuration">Where they are.</param>
    /// <param name="roles">What the node does: its certificate has to be for all of it.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="CertificateException">They cannot be used.</exception>
    public static NodeCertificates Load(
        TlsConfiguration configuration, NodeRoles roles, TimeProvider time) =>
        new(configuration, roles, time);

    /// <summary>Why whoever shows a certificate is no peer, in words; null: it is
    /// one.</summary>
    /// <param name="shown">What it shows; null: nothing.</param>
    /// <param name="wanted">It has to be for one of these roles.</param>
    public string? RefusalOf(X509Certificate2? shown, NodeRoles wanted) =>
        PeerCheck.Refusal(shown, _files.Current.Authorities, wanted, _time.GetUtcNow());

    private static string Describe(Content content) =>
        $"'{PeerCheck.NameOf(content.Certificate)}' for"
        + $" {string.Join(", ", RoleNames.OfEach(CertifiedRoles.Of(content.Certificate)))}, until"
        + $" {PeerCheck.Written(content.Certificate.NotAfter)}";

    private static Content Read(TlsConfiguration files, NodeRoles roles, DateTimeOffset now)
    {
        X509Certificate2Collection authorities = CertificateFiles.ReadAll(files.Authority);
        SslStreamCertificateContext shown =
            CertificateFiles.ReadWithChain(files.Certificate, files.Key);
        X509Certificate2 certificate = shown.TargetCertificate;
        if (PeerCheck.Refusal(certificate, authorities, roles, now) is { } refusal)
        {
            throw new CertificateException(
                $"other nodes would refuse this one, since {refusal} ({files.Certificate}, held"
                + $" against {files.Authority}); 'backprop certs issue' makes one that is good");
        }

        NodeRoles missing = roles & ~CertifiedRoles.Of(certificate);
        return missing == NodeRoles.None
            ? new Content(authorities, shown)
            : throw new CertificateException(
                $"{files.Certificate} is not for {string.Join(", ", RoleNames.OfEach(missing))},"
                + " which this node is; 'backprop certs issue --roles' makes one that is");
    }

    private sealed record Content(
        X509Certificate2Collection Authorities, SslStreamCertificateContext Context)
    {
        public X509Certificate2 Certificate => Context.TargetCertificate;
    }
}
