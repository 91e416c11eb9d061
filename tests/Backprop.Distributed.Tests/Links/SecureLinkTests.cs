using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Security;
using Backprop.Distributed.Tests.Security;

namespace Backprop.Distributed.Tests.Links;

/// <summary>Links in TLS: who comes in, and what is said of who does not.</summary>
public sealed class SecureLinkTests : IDisposable
{
    private static readonly LinkOptions s_options = new()
    {
        DialAttempts = 2,
        DialBackoff = TimeSpan.FromMilliseconds(10),
        OpeningDeadline = TimeSpan.FromSeconds(20),
    };

    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("another");
    private readonly RecordingOwner _owner = new();
    private readonly RecordingAcceptor _acceptor;
    private readonly List<TcpTransport> _transports = [];
    private LinkAddress _address;

    public SecureLinkTests()
    {
        _acceptor = new RecordingAcceptor(_owner);
        _address = Listen(s_options);
    }

    public void Dispose()
    {
        _transports.ForEach(transport => transport.Dispose());
        _authority.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void Both_ends_know_what_the_other_may_be()
    {
        var dialler = new RecordingOwner();
        TcpTransport transport = Transport(
            "a", _authority.Load("a", NodeRoles.Worker | NodeRoles.Console), s_options);
        transport.Dial(_address, "b", dialler, dialler);
        Assert.Equal(NodeRoles.ParameterServer, dialler.WaitOpened().Peer!.CertifiedRoles);
        Assert.Equal(
            NodeRoles.Worker | NodeRoles.Console, _owner.WaitOpened().Peer!.CertifiedRoles);
    }

    [Fact]
    public void A_node_whose_certificate_is_of_another_authority_does_not_come_in()
    {
        LinkEnd end = Dial(_other.Load("a", NodeRoles.Worker));
        Assert.Equal(LinkEndKind.Refused, end.Kind);
        Assert.Contains("'test authority' has issued, not this cluster's authority", end.Reason);
        Assert.DoesNotContain("a worker", _acceptor.WaitRefusal());
        AssertListening();
    }

    [Theory]
    [InlineData("none", "it shows no certificate")]
    [InlineData("other", "'another' has issued, not this cluster's authority")]
    [InlineData("expired", "which expired at")]
    [InlineData("role", "which is for console, not for parameter-server or worker")]
    [InlineData("no role", "which is for no role of a node")]
    public void Who_shows_no_good_certificate_is_told_nothing(string which, string reason)
    {
        using X509Certificate2? shown = which switch
        {
            "other" => _other.Certificate("a", NodeRoles.Worker),
            "expired" => _authority.Certificate(
                "a", NodeRoles.Worker, DateTimeOffset.UtcNow, TimeSpan.FromSeconds(-1)),
            "role" => _authority.Certificate("a", NodeRoles.Console),
            "no role" => _authority.Certificate("a", NodeRoles.None),
            _ => null,
        };
        using var client = new TcpClient(_address.Host, _address.Port);
        using var stream = new SslStream(client.GetStream());
        Assert.ThrowsAny<Exception>(() =>
        {
            stream.AuthenticateAsClient(new SslClientAuthenticationOptions
            {
                TargetHost = "",
                ClientCertificateContext = shown is null
                    ? null
                    : SslStreamCertificateContext.Create(shown, null, offline: true),
                EnabledSslProtocols = SslProtocols.Tls13,
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
            });

            // In TLS 1.3 the client has shaken hands before the server has looked.
            stream.Write(RawPeer.Hello());
            stream.ReadExactly(new byte[Hello.PrefixBytes]);
        });
        Assert.Contains(reason, _acceptor.WaitRefusal());
        AssertListening();
    }

    [Fact]
    public void An_older_protocol_is_refused()
    {
        using X509Certificate2 shown = _authority.Certificate("a", NodeRoles.Worker);
        using var client = new TcpClient(_address.Host, _address.Port);
        using var stream = new SslStream(client.GetStream());
        Assert.ThrowsAny<Exception>(() => stream.AuthenticateAsClient(
            new SslClientAuthenticationOptions
            {
                TargetHost = "",
                ClientCertificates = [shown],
                EnabledSslProtocols = SslProtocols.Tls12,
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
            }));
        Assert.Contains("it does not shake hands in TLS 1.3", _acceptor.WaitRefusal());
        AssertListening();
    }

    [Fact]
    public void A_plain_handshake_is_refused_and_told_nothing()
    {
        using var peer = new RawPeer(_address);
        peer.SendAsFarAsTaken(RawPeer.Hello());
        Assert.Contains("it does not shake hands in TLS 1.3", _acceptor.WaitRefusal());
        peer.WaitClosed();
        AssertListening();
    }

    [Fact]
    public void A_node_with_TLS_says_what_is_wrong_where_the_other_has_none()
    {
        TcpTransport plain = Transport("p", certificates: null, s_options);
        LinkAddress address = plain.Listen(new LinkAddress("127.0.0.1", 0), _acceptor).Address;
        var owner = new RecordingOwner();
        Transport("a", _authority.Load("a", NodeRoles.Worker), s_options)
            .Dial(address, "p", owner, owner);
        LinkEnd end = owner.WaitEnd();
        Assert.NotEqual(LinkEndKind.Closed, end.Kind);
        Assert.Contains("no tensor link", _acceptor.WaitRefusal());
    }

    [Fact]
    public void A_handshake_that_trickles_in_is_given_up()
    {
        _address = Listen(s_options with { OpeningDeadline = TimeSpan.FromMilliseconds(300) });
        using var peer = new RawPeer(_address);

        // A record of TLS that promises 4,096 bytes.
        byte[] record = [0x16, 3, 1, 0x10, 0, 1, 0, 0x0F, 0xFC, 3, 3, 0, 0, 0, 0, 0];
        foreach (byte value in record)
        {
            peer.SendAsFarAsTakenKeepingOpen([value]);
            Thread.Sleep(30);
        }

        Assert.NotEmpty(_acceptor.WaitRefusal());
        peer.WaitClosed();
    }

    [Fact]
    public void Random_bytes_do_not_bring_the_listener_down()
    {
        var random = new Random(20_261_129);
        for (int trial = 0; trial < 100; trial++)
        {
            byte[] bytes = new byte[random.Next(1, 2_000)];
            random.NextBytes(bytes);
            if (random.Next(2) == 0)
            {
                // What looks like the beginning of TLS is read further.
                byte[] record = [0x16, 3, 1];
                record.CopyTo(bytes.AsSpan(0, Math.Min(3, bytes.Length)).Length == 3
                    ? bytes
                    : bytes = new byte[3], 0);
            }

            using var peer = new RawPeer(_address);
            peer.SendAsFarAsTaken(bytes);
            Assert.NotEmpty(_acceptor.WaitRefusal());
            peer.WaitClosed();
        }

        AssertListening();
    }

    [Fact]
    public void A_certificate_that_is_renewed_is_shown_by_the_next_link()
    {
        string first = Shown();
        foreach (string file in Directory.GetFiles(
            Path.GetDirectoryName(_authority.AuthorityFile)!))
        {
            File.SetLastWriteTimeUtc(file, DateTime.UtcNow.AddMinutes(-1));
        }

        // The listener has looked at its files less than a second ago.
        _authority.Issue("b", NodeRoles.ParameterServer);
        string second = first;
        for (int i = 0; i < 100 && second == first; i++)
        {
            Thread.Sleep(50);
            second = Shown();
        }

        Assert.NotEqual(first, second);
    }

    private string Shown()
    {
        string shown = "";
        using X509Certificate2 own = _authority.Certificate("c", NodeRoles.Worker);
        using var client = new TcpClient(_address.Host, _address.Port);
        using var stream = new SslStream(client.GetStream());
        stream.AuthenticateAsClient(new SslClientAuthenticationOptions
        {
            TargetHost = "",
            ClientCertificates = [own],
            EnabledSslProtocols = SslProtocols.Tls13,
            RemoteCertificateValidationCallback = (_, certificate, _, _) =>
            {
                shown = certificate!.GetCertHashString();
                return true;
            },
        });
        return shown;
    }

    private LinkEnd Dial(NodeCertificates certificates)
    {
        var owner = new RecordingOwner();
        Transport("a", certificates, s_options).Dial(_address, "b", owner, owner);
        return owner.WaitEnd();
    }

    private void AssertListening()
    {
        var owner = new RecordingOwner();
        Transport("z", _authority.Load("z", NodeRoles.Worker), s_options)
            .Dial(_address, "b", owner, owner);
        owner.WaitOpened().Close("done");
        _owner.WaitOpened();
    }

    private LinkAddress Listen(LinkOptions options) => Transport(
        "b", _authority.Load("b", NodeRoles.ParameterServer), options)
            .Listen(new LinkAddress("127.0.0.1", 0), _acceptor).Address;

    private TcpTransport Transport(
        string node, NodeCertificates? certificates, LinkOptions options)
    {
        var transport = new TcpTransport(LinkPair.Identity(node), options, certificates);
        _transports.Add(transport);
        return transport;
    }
}
