using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Remote;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Tests.Cluster;

public sealed class AbandonedAssociationsTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);
    private readonly CancellationTokenSource _limit = new(s_limit);

    public void Dispose() => _limit.Dispose();

    [Fact]
    public async Task A_connection_whose_dialler_has_stopped_is_closed_and_made_anew()
    {
        using var before = new TcpListener(IPAddress.Loopback, 0);
        before.Start();
        int port = ((IPEndPoint)before.LocalEndpoint).Port;
        int hidden = FreePort();
        using ActorSystem there = Open(hidden, port);
        there.ActorOf(Props.Create(() => new Echo()), "echo");
        using ActorSystem here = Open(port: 0, publicPort: 0);
        here.ActorOf(AbandonedAssociations.Props(), AbandonedAssociations.Name);
        Address address = Address.Parse($"akka.tcp://test@127.0.0.1:{port}");
        ActorSelection echo = here.ActorSelection(new RootActorPath(address) / "user" / "echo");

        // It has dialled, and is stopped before it is answered.
        echo.Tell("lost");
        using TcpClient outer = await before.AcceptTcpClientAsync(_limit.Token);
        using var inner = new TcpClient();
        await inner.ConnectAsync(IPAddress.Loopback, hidden, _limit.Token);
        var handshake = new byte[4096];
        int count = await outer.GetStream().ReadAsync(handshake, _limit.Token);
        Task stopped = NextEndOf(here);
        ((IRemoteActorRefProvider)((ExtendedActorSystem)here).Provider).Quarantine(address, null);
        await stopped.WaitAsync(_limit.Token);

        await inner.GetStream().WriteAsync(handshake.AsMemory(0, count), _limit.Token);
        Task answer = inner.GetStream().CopyToAsync(outer.GetStream(), _limit.Token);
        await outer.GetStream().CopyToAsync(Stream.Null, _limit.Token); // Until it is closed.
        inner.Close();
        await Record.ExceptionAsync(() => answer);

        _ = CarryAsync(before, hidden);
        Assert.Equal("heard", await AskAsync(echo, "heard"));
    }

    private static ActorSystem Open(int port, int publicPort) => ActorSystem.Create(
        "test",
        ConfigurationFactory.ParseString($$"""
            akka {
              loglevel = ERROR
              stdout-loglevel = OFF
              loggers = []
              log-dead-letters = off
              actor.provider = remote
              remote.retry-gate-closed-for = 100ms
              remote.dot-netty.tcp {
                hostname = "127.0.0.1"
                port = {{port}}
                public-port = {{publicPort}}
              }
            }
            """).WithFallback(NodeDispatchers.Config));

    private static Task NextEndOf(ActorSystem system)
    {
        var ended = new TaskCompletionSource();
        IActorRef listener = system.ActorOf(Props.Create(() => new EndListener(ended)));
        system.EventStream.Subscribe(listener, typeof(DisassociatedEvent));
        return ended.Task;
    }

    // Gated for a while: what is sent then is lost.
    private async Task<string> AskAsync(ActorSelection echo, string text)
    {
        while (true)
        {
            try
            {
                return await echo.Ask<string>(text, TimeSpan.FromSeconds(1), _limit.Token);
            }
            catch (AskTimeoutException)
            {
                _limit.Token.ThrowIfCancellationRequested();
            }
        }
    }

    private async Task CarryAsync(TcpListener listener, int port)
    {
        using TcpClient outer = await listener.AcceptTcpClientAsync(_limit.Token);
        using var inner = new TcpClient();
        await inner.ConnectAsync(IPAddress.Loopback, port, _limit.Token);
        await Task.WhenAny(
            outer.GetStream().CopyToAsync(inner.GetStream(), _limit.Token),
            inner.GetStream().CopyToAsync(outer.GetStream(), _limit.Token));
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }

    private sealed class Echo : UntypedActor
    {
        protected override void OnReceive(object message) => Sender.Tell(message);
    }

    private sealed class EndListener(TaskCompletionSource ended) : UntypedActor
    {
        protected override void OnReceive(object message) => ended.TrySetResult();
    }
}
