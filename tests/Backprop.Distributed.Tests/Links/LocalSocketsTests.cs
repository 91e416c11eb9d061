using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.Versioning;
using Backprop.Distributed.Links;
using Backprop.Distributed.Links.Tcp;
using Backprop.Distributed.Nodes;
using Backprop.Distributed.Tests.Security;
using Backprop.Engine;

namespace Backprop.Distributed.Tests.Links;

/// <summary>The contract over Unix sockets.</summary>
public abstract class LocalContractTests(bool sharesMemory, bool isSecure)
    : TransportContractTests, IDisposable
{
    private readonly SocketFolder _folder = new();
    private readonly TestAuthority _authority = new();

    public void Dispose()
    {
        _folder.Dispose();
        _authority.Dispose();
    }

    protected override ITensorTransport Transport(LinkIdentity identity, LinkOptions options) =>
        new TcpTransport(
            identity, options with { SharesMemory = sharesMemory },
            isSecure ? _authority.Load(identity.Node, NodeRoles.Worker) : null, _folder.Open());
}

/// <summary>The contract over Unix sockets, and memory.</summary>
public sealed class MemoryTransportContractTests()
    : LocalContractTests(sharesMemory: true, isSecure: false);

/// <summary>The contract over Unix sockets in TLS, and memory.</summary>
public sealed class SecureMemoryTransportContractTests()
    : LocalContractTests(sharesMemory: true, isSecure: true);

/// <summary>The contract over Unix sockets alone.</summary>
public sealed class LocalTransportContractTests()
    : LocalContractTests(sharesMemory: false, isSecure: false);

/// <summary>The contract over Unix sockets in TLS alone.</summary>
public sealed class SecureLocalTransportContractTests()
    : LocalContractTests(sharesMemory: false, isSecure: true);

/// <summary>Nodes of one machine: when they are linked by Unix sockets, when by TCP, and who is
/// kept out.</summary>
public sealed class LocalSocketsTests : IDisposable
{
    // A dialler that waits for anything would wait as long as that.
    private static readonly LinkOptions s_options = new()
    {
        DialAttempts = 2,
        DialBackoff = TimeSpan.FromSeconds(20),
        OpeningDeadline = TimeSpan.FromSeconds(20),
    };

    private static readonly TimeSpan s_noWait = TimeSpan.FromSeconds(10);

    private readonly SocketFolder _folder = new();
    private readonly TestAuthority _authority = new();
    private readonly TestAuthority _other = new("another");
    private readonly RecordingOwner _owner = new();
    private readonly RecordingAcceptor _acceptor;
    private readonly List<TcpTransport> _transports = [];

    public LocalSocketsTests() => _acceptor = new RecordingAcceptor(_owner);

    public void Dispose()
    {
        _transports.ForEach(transport => transport.Dispose());
        _folder.Dispose();
        _authority.Dispose();
        _other.Dispose();
    }

    [Fact]
    public void The_same_bits_arrive_over_a_socket_of_the_machine_and_over_the_network()
    {
        LinkAddress address = Listen(_folder.Open());
        using var numbers = new AlignedBuffer(FrameHeader.MaxPieceBytes / sizeof(float));
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers.Span[i] = BitConverter.Int32BitsToSingle(i * 40_503);
        }

        FrameHeader header = LinkPair.PushOf(numbers.Length);
        foreach (LocalSockets? local in (LocalSockets?[])[_folder.Open(), null])
        {
            var dialler = new RecordingOwner();
            Transport("a", local).Dial(address, "b", dialler, dialler)
                .TrySend(header, numbers, 0, dialler);
            using Arrival arrival = _owner.WaitArrival();
            Assert.Equal(header, arrival.Header);
            Assert.True(arrival.Payload.SequenceEqual(
                System.Runtime.InteropServices.MemoryMarshal.AsBytes(numbers.Span)));
        }
    }

    [Fact]
    public void Nodes_of_one_machine_need_no_network()
    {
        LinkAddress address = Listen(_folder.Open());
        RecordingOwner dialler = Dial(address with { Port = FreePort() }, _folder.Open());
        Assert.Equal("b", dialler.WaitOpened().Peer!.Node);
    }

    [Fact]
    public void Who_does_not_share_the_directory_is_linked_over_the_network_at_once()
    {
        using var elsewhere = new SocketFolder();
        AssertOpensOverTcp(Listen(_folder.Open()), elsewhere.Open());
        AssertOpensOverTcp(Listen(local: null), _folder.Open());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_is_left_of_a_socket_holds_nobody_up(bool isSocket)
    {
        LinkAddress address = Listen(local: null);
        LocalSockets local = _folder.Open();
        _folder.Abandon(local.PathOf("test", "b"), isSocket);
        AssertOpensOverTcp(address, local);
    }

    [Fact]
    public void A_socket_that_says_nothing_sensible_is_passed_by()
    {
        LinkAddress address = Listen(local: null);
        LocalSockets local = _folder.Open();
        using Socket silent = LocalSockets.NewSocket();
        silent.Bind(new UnixDomainSocketEndPoint(local.PathOf("test", "b")));
        silent.Listen(1);
        var ends = new Thread(() => silent.Accept().Dispose());
        ends.Start();
        AssertOpensOverTcp(address, local);
        ends.Join();
    }

    [Fact]
    public void Sockets_of_ended_processes_are_deleted_and_those_of_others_are_not_disturbed()
    {
        LinkAddress address = Listen(_folder.Open());
        string left = _folder.Open().PathOf("test", "z");
        _folder.Abandon(left, isSocket: true);

        LocalSockets local = _folder.Open();

        Assert.False(File.Exists(left));
        Assert.Equal("b", Dial(address, local).WaitOpened().Peer!.Node);
        Assert.Equal(0, _acceptor.RefusalCount);
    }

    [Fact]
    public void A_node_takes_its_socket_away()
    {
        Listen(_folder.Open());
        Assert.Single(_folder.Files);
        _transports.ForEach(transport => transport.Dispose());
        Assert.Empty(_folder.Files);
    }

    [Fact]
    public void A_stranger_is_refused_by_its_cluster_and_its_certificate_as_over_the_network()
    {
        LocalSockets local = _folder.Open();
        LinkAddress address = Listen(local, Load(_authority, NodeRoles.ParameterServer));

        LinkEnd other = Dial(address, local, Load(_other, NodeRoles.Worker)).WaitEnd();
        Assert.Equal(LinkEndKind.Refused, other.Kind);
        Assert.Contains("not this cluster's authority", other.Reason);
        _acceptor.WaitRefusal();

        using Socket plain = LocalSockets.NewSocket();
        plain.Connect(new UnixDomainSocketEndPoint(local.PathOf("test", "b")));
        plain.Send(RawPeer.Hello());
        Assert.Contains("it does not shake hands in TLS 1.3", _acceptor.WaitRefusal());

        RecordingOwner dialler = Dial(address, local, Load(_authority, NodeRoles.Worker));
        Assert.Equal(NodeRoles.ParameterServer, dialler.WaitOpened().Peer!.CertifiedRoles);
        Assert.Equal(NodeRoles.Worker, _owner.WaitOpened().Peer!.CertifiedRoles);
    }

    [Fact]
    public void A_process_of_another_user_is_none_of_ours()
    {
        using Socket listening = LocalSockets.NewSocket();
        _folder.Open();
        listening.Bind(new UnixDomainSocketEndPoint(_folder.PathOf("any")));
        listening.Listen(1);
        using Socket own = LocalSockets.NewSocket();
        own.Connect(listening.LocalEndPoint!);
        Assert.Null(LocalSockets.RefusalOf(own, LocalSockets.OwnUser));
        Assert.Contains(
            $"it is a process of user {LocalSockets.OwnUser}",
            LocalSockets.RefusalOf(own, LocalSockets.OwnUser + 1));
    }

    [Theory]
    [UnsupportedOSPlatform("windows")]
    [InlineData(UnixFileMode.GroupExecute)]
    [InlineData(UnixFileMode.OtherRead | UnixFileMode.OtherExecute)]
    public void A_directory_that_others_may_enter_is_not_used(UnixFileMode more)
    {
        _folder.Open();
        File.SetUnixFileMode(_folder.Path, File.GetUnixFileMode(_folder.Path) | more);
        Assert.Null(LocalSockets.Open(_folder.Path, out string refusal));
        Assert.Contains("its owner alone may enter", refusal);
    }

    [Fact]
    public void A_link_to_a_directory_is_not_used()
    {
        _folder.Open();
        string link = _folder.Path + "-link";
        Directory.CreateSymbolicLink(link, _folder.Path);
        try
        {
            Assert.Null(LocalSockets.Open(link, out string refusal));
            Assert.Contains("its owner alone may enter", refusal);
        }
        finally
        {
            File.Delete(link);
        }
    }

    [Fact]
    public void A_directory_that_cannot_be_used_is_a_reason_and_no_failure()
    {
        string file = _folder.Path + "-file";
        File.WriteAllText(file, "");
        try
        {
            Assert.Null(LocalSockets.Open(file, out string refusal));
            Assert.NotEmpty(refusal);
            Assert.Null(LocalSockets.Open("/" + new string('x', 100), out refusal));
            Assert.Contains("too long", refusal);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static int FreePort()
    {
        using var socket = new TcpListener(System.Net.IPAddress.Loopback, 0);
        socket.Start();
        return ((System.Net.IPEndPoint)socket.LocalEndpoint).Port;
    }

    private static NodeCertificatesOf Load(TestAuthority authority, NodeRoles roles) =>
        node => authority.Load(node, roles);

    private void AssertOpensOverTcp(LinkAddress address, LocalSockets? local)
    {
        long began = Stopwatch.GetTimestamp();
        Assert.Equal("b", Dial(address, local).WaitOpened().Peer!.Node);
        Assert.InRange(Stopwatch.GetElapsedTime(began), TimeSpan.Zero, s_noWait);
    }

    private RecordingOwner Dial(
        LinkAddress address, LocalSockets? local, NodeCertificatesOf? certificates = null)
    {
        var dialler = new RecordingOwner();
        Transport("a", local, certificates).Dial(address, "b", dialler, dialler);
        return dialler;
    }

    private LinkAddress Listen(LocalSockets? local, NodeCertificatesOf? certificates = null) =>
        Transport("b", local, certificates)
            .Listen(new LinkAddress("127.0.0.1", 0), _acceptor).Address;

    private TcpTransport Transport(
        string node, LocalSockets? local, NodeCertificatesOf? certificates = null)
    {
        var transport = new TcpTransport(
            LinkPair.Identity(node), s_options, certificates?.Invoke(node), local);
        _transports.Add(transport);
        return transport;
    }

    private delegate Distributed.Security.NodeCertificates NodeCertificatesOf(string node);
}

/// <summary>A directory for sockets, gone afterwards.</summary>
internal sealed class SocketFolder : IDisposable
{
    private readonly DirectoryInfo _parent = Directory.CreateTempSubdirectory("backprop-");

    public string Path => PathOf("links");

    public IEnumerable<string> Files => Directory.EnumerateFiles(Path);

    public LocalSockets Open()
    {
        LocalSockets? sockets = LocalSockets.Open(Path, out string refusal);
        Assert.True(sockets is not null, refusal);
        return sockets;
    }

    public string PathOf(string name) => System.IO.Path.Combine(_parent.FullName, name);

    /// <summary>Leaves a socket as a process that was killed does, or a file.</summary>
    public void Abandon(string path, bool isSocket)
    {
        if (!isSocket)
        {
            File.WriteAllText(path, "");
            return;
        }

        // What closes a socket deletes the name that it was bound to, and not another one.
        using Socket socket = LocalSockets.NewSocket();
        socket.Bind(new UnixDomainSocketEndPoint(path + "-bound"));
        File.Move(path + "-bound", path);
    }

    public void Dispose() => _parent.Delete(recursive: true);
}
