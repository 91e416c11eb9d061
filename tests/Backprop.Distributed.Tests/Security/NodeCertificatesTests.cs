using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;
using Microsoft.Extensions.Time.Testing;

namespace Backprop.Distributed.Tests.Security;

/// <summary>A node's certificate: what it starts with, and how it is renewed.</summary>
public sealed class NodeCertificatesTests : IDisposable
{
    private readonly TestAuthority _authority = new();
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    public void Dispose() => _authority.Dispose();

    [Fact]
    public void A_certificate_that_others_would_refuse_is_refused_at_the_start()
    {
        using var other = new TestAuthority("another");
        TlsConfiguration files = other.Issue("node-1", NodeRoles.Worker) with
        {
            Authority = _authority.AuthorityFile,
        };
        string message = Failure(files, NodeRoles.Worker);
        Assert.Contains("other nodes would refuse this one", message);
        Assert.Contains("'another' has issued", message);
        Assert.Contains(files.Certificate, message);
    }

    [Fact]
    public void A_certificate_has_to_be_for_all_that_the_node_does()
    {
        TlsConfiguration files = _authority.Issue("node-1", NodeRoles.Worker);
        Assert.Contains(
            $"{files.Certificate} is not for coordinator, which this node is",
            Failure(files, NodeRoles.Worker | NodeRoles.Coordinator));
    }

    [Fact]
    public void An_expired_certificate_is_refused_at_the_start()
    {
        TlsConfiguration files = _authority.Issue("node-1", NodeRoles.Worker);
        _time.Advance(TimeSpan.FromDays(2));
        Assert.Contains("which expired at", Failure(files, NodeRoles.Worker));
    }

    [Fact]
    public void Files_that_cannot_be_used_are_named()
    {
        TlsConfiguration good = _authority.Issue("node-1", NodeRoles.Worker);
        TlsConfiguration second = _authority.Issue("node-2", NodeRoles.Worker);
        string missing = good.Key + ".gone";
        Assert.Contains(
            $"{missing} cannot be read", Failure(good with { Key = missing }, NodeRoles.Worker));
        Assert.Contains(
            $"{good.Certificate} and {second.Key} are no certificate and its key",
            Failure(good with { Key = second.Key }, NodeRoles.Worker));
        Assert.Contains(
            $"{good.Key} has no certificate in it",
            Failure(good with { Authority = good.Key }, NodeRoles.Worker));
        File.WriteAllBytes(good.Certificate, new byte[(1 << 20) + 1]);
        Assert.Contains(
            $"{good.Certificate} has 1,048,577 bytes", Failure(good, NodeRoles.Worker));
    }

    [Fact]
    public void A_certificate_that_is_written_anew_is_used_from_then_on()
    {
        TlsConfiguration files = _authority.Issue("node-1", NodeRoles.Worker);
        var certificates = NodeCertificates.Load(files, NodeRoles.Worker, _time);
        var told = new List<string>();
        certificates.Reread += told.Add;
        certificates.RereadFailed += line => told.Add("failed: " + line);
        string first = certificates.Certificate.Thumbprint;
        Touch(() => _authority.Issue("node-1", NodeRoles.Worker));

        Assert.Equal(first, certificates.Certificate.Thumbprint);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotEqual(first, certificates.Certificate.Thumbprint);
        Assert.Equal(
            certificates.Certificate.Thumbprint,
            certificates.Context.TargetCertificate.Thumbprint);
        Assert.StartsWith($"{files.Certificate} was read again: 'node-1' for worker, until",
            Assert.Single(told));
    }

    [Fact]
    public void What_cannot_be_read_is_told_once_and_what_was_read_before_stays()
    {
        TlsConfiguration files = _authority.Issue("node-1", NodeRoles.Worker);
        var certificates = NodeCertificates.Load(files, NodeRoles.Worker, _time);
        var told = new List<string>();
        certificates.RereadFailed += told.Add;
        string first = certificates.Certificate.Thumbprint;
        Touch(() => File.WriteAllText(files.Key, "nonsense"));
        for (int i = 0; i < 3; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal(first, certificates.Certificate.Thumbprint);
        }

        Assert.EndsWith("; what was read before stays in use", Assert.Single(told));
        Touch(() => _authority.Issue("node-1", NodeRoles.Worker));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.NotEqual(first, certificates.Certificate.Thumbprint);
    }

    [Fact]
    public void Two_authorities_are_believed_while_one_follows_the_other()
    {
        using var next = new TestAuthority("next");
        TlsConfiguration files = _authority.Issue("node-1", NodeRoles.Worker);
        var certificates = NodeCertificates.Load(files, NodeRoles.Worker, _time);
        using var peer = next.Certificate("node-2", NodeRoles.Worker);
        Assert.NotNull(certificates.RefusalOf(peer, NodeRoles.Worker));
        Touch(() => File.WriteAllText(
            _authority.AuthorityFile, $"{_authority.Pem}\n{next.Pem}\n"));
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(certificates.RefusalOf(peer, NodeRoles.Worker));
    }

    // Files that are written twice within the clock's tick look the same.
    private void Touch(Action write)
    {
        string[] files = Directory.GetFiles(Path.GetDirectoryName(_authority.AuthorityFile)!);
        write();
        foreach (string file in files)
        {
            File.SetLastWriteTimeUtc(file, File.GetLastWriteTimeUtc(file).AddSeconds(1));
        }
    }

    private string Failure(TlsConfiguration files, NodeRoles roles) =>
        Assert.Throws<CertificateException>(() => NodeCertificates.Load(files, roles, _time))
            .Message;
}
