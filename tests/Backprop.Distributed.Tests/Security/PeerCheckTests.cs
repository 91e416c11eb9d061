using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;

namespace Backprop.Distributed.Tests.Security;

/// <summary>Who is let in by a certificate, and what those are told who are not.</summary>
public sealed class PeerCheckTests : IDisposable
{
    private const NodeRoles Links = NodeRoles.Worker | NodeRoles.ParameterServer;

    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("another");

    public void Dispose()
    {
        _authority.Dispose();
        _other.Dispose();
    }

    [Theory]
    [InlineData(NodeRoles.Worker)]
    [InlineData(NodeRoles.ParameterServer)]
    [InlineData(NodeRoles.Worker | NodeRoles.Coordinator)]
    public void A_certificate_of_the_authority_for_a_wanted_role_is_good(NodeRoles roles)
    {
        using X509Certificate2 shown = _authority.Certificate("node-1", roles);
        Assert.Null(Refusal(shown));
        Assert.Equal(roles, CertifiedRoles.Of(shown));
    }

    [Fact]
    public void Nobody_comes_in_without_a_certificate() =>
        Assert.Equal("it shows no certificate", Refusal(null));

    [Fact]
    public void A_certificate_of_another_authority_is_refused()
    {
        using X509Certificate2 shown = _other.Certificate("node-1", NodeRoles.Worker);
        Assert.Equal(
            "it shows certificate 'node-1', which 'another' has issued, not this cluster's"
            + " authority",
            Refusal(shown));
    }

    [Fact]
    public void A_certificate_that_claims_the_authoritys_name_is_refused()
    {
        using var impostor = new TestAuthority();
        using X509Certificate2 shown = impostor.Certificate("node-1", NodeRoles.Worker);
        Assert.Contains("not this cluster's authority", Refusal(shown));
    }

    [Fact]
    public void A_certificate_that_nobody_has_issued_is_refused()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=node-1", key, HashAlgorithmName.SHA256);
        using X509Certificate2 shown = request.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        Assert.Contains("not this cluster's authority", Refusal(shown));
    }

    [Fact]
    public void A_node_cannot_issue_certificates()
    {
        var node = CertificateAuthority.Create(
            "authority", DateTimeOffset.UtcNow, TestAuthority.Life);
        var issued = CertificateAuthority.Issue(
            node, "node-1", NodeRoles.Worker, [], DateTimeOffset.UtcNow, TestAuthority.Life);
        var failure = Assert.Throws<CertificateException>(() => CertificateAuthority.Issue(
            issued, "node-2", NodeRoles.Worker, [], DateTimeOffset.UtcNow, TestAuthority.Life));
        Assert.Contains("certificate 'node-1' is no authority's", failure.Message);
    }

    [Fact]
    public void A_certificate_is_good_for_its_time()
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 shown = _authority.Certificate(
            "node-1", NodeRoles.Worker, life: TimeSpan.FromHours(1));
        Assert.Null(Refusal(shown, now.AddMinutes(59)));
        Assert.StartsWith(
            "it shows certificate 'node-1', which expired at 2",
            Refusal(shown, now.AddMinutes(61)));
        Assert.StartsWith(
            "it shows certificate 'node-1', which is good only from 2",
            Refusal(shown, now.AddMinutes(-10)));
    }

    [Theory]
    [InlineData(NodeRoles.None, "which is for no role of a node")]
    [InlineData(NodeRoles.Console, "which is for console, not for parameter-server or worker")]
    [InlineData(
        NodeRoles.Coordinator | NodeRoles.Console,
        "which is for coordinator, console, not for parameter-server or worker")]
    public void A_certificate_for_other_roles_is_refused(NodeRoles roles, string words)
    {
        using X509Certificate2 shown = _authority.Certificate("node-1", roles);
        Assert.Equal($"it shows certificate 'node-1', {words}", Refusal(shown));
    }

    [Fact]
    public void A_certificate_that_is_only_for_a_servers_end_is_refused()
    {
        using X509Certificate2 shown = Odd(request => request.CertificateExtensions.Add(
            new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false)));
        Assert.Contains("which is not good for a node: NotValidForUsage", Refusal(shown));
    }

    [Fact]
    public void Names_that_cannot_be_read_are_for_no_role()
    {
        using X509Certificate2 shown = Odd(request => request.CertificateExtensions.Add(
            new X509Extension("2.5.29.17", [0x30, 0x7F, 0x86, 0x01], critical: false)));
        Assert.Equal(NodeRoles.None, CertifiedRoles.Of(shown));
        Assert.NotNull(Refusal(shown));
    }

    [Fact]
    public void A_strangers_name_does_not_break_the_log()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var name = new X500DistinguishedNameBuilder();
        name.AddCommonName("a\nb'" + new string('x', 60));
        var request = new CertificateRequest(name.Build(), key, HashAlgorithmName.SHA256);
        using X509Certificate2 shown = request.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1));
        string refusal = Refusal(shown)!;
        Assert.StartsWith($"it shows certificate 'a?b?{new string('x', 60)}'", refusal);
        Assert.DoesNotContain('\n', refusal);
    }

    private string? Refusal(X509Certificate2? shown, DateTimeOffset? now = null) =>
        PeerCheck.Refusal(shown, _authority.Authorities, Links, now ?? DateTimeOffset.UtcNow);

    // One of an authority that this test believes, with something unusual in it.
    private X509Certificate2 Odd(Action<CertificateRequest> change)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var root = new CertificateRequest("CN=odd", authorityKey, HashAlgorithmName.SHA256);
        root.CertificateExtensions.Add(
            X509BasicConstraintsExtension.CreateForCertificateAuthority());
        using X509Certificate2 authority = root.CreateSelfSigned(
            DateTimeOffset.UtcNow.AddHours(-2), DateTimeOffset.UtcNow.AddHours(2));
        File.AppendAllText(_authority.AuthorityFile, "\n" + authority.ExportCertificatePem());
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=node-1", key, HashAlgorithmName.SHA256);
        change(request);
        return request.Create(
            authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1),
            [1, 2, 3]);
    }
}
