using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Cluster;
using Akka.Remote;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Tests.Cluster;

public sealed class ExpulsionTests
{
    [Fact]
    public async Task A_node_leaves_once_most_of_the_others_refuse_it()
    {
        await using var cluster = new ClusterOnLoopback();
        LoopbackNode first = cluster.Add(NodeRoles.Coordinator);
        LoopbackNode second = cluster.Add(NodeRoles.ParameterServer);
        LoopbackNode third = cluster.Add(NodeRoles.Worker);
        LoopbackNode silent = cluster.Add(NodeRoles.Worker);
        await ClusterOnLoopback.AwaitAsync(
            () => silent.Cluster.State.Members.Count(one => one.Status == MemberStatus.Up) == 4,
            "the cluster is not complete");
        var expelled = new ConcurrentQueue<string>();
        silent.System.ActorOf(Expulsion.Props(expelled.Enqueue));
        var refusals = new ConcurrentQueue<ThisActorSystemQuarantinedEvent>();
        silent.System.ActorOf(Props.Create(() => new Listener(refusals)));

        Refuse(first, silent);
        await ClusterOnLoopback.AwaitAsync(() => !refusals.IsEmpty, "it is not refused");
        Assert.Empty(expelled);

        Refuse(second, silent);
        await ClusterOnLoopback.AwaitAsync(() => !expelled.IsEmpty, "it stays");
        Assert.Contains("have taken the node out", Assert.Single(expelled));
        Assert.NotEmpty(third.Cluster.State.Members);
    }

    private static void Refuse(LoopbackNode by, LoopbackNode node) =>
        ((IRemoteActorRefProvider)((ExtendedActorSystem)by.System).Provider).Quarantine(
            node.Cluster.SelfAddress, node.Cluster.SelfUniqueAddress.Uid);

    private sealed class Listener : ReceiveActor
    {
        public Listener(ConcurrentQueue<ThisActorSystemQuarantinedEvent> refusals)
        {
            Receive<ThisActorSystemQuarantinedEvent>(refusals.Enqueue);
            Context.System.EventStream.Subscribe(Self, typeof(ThisActorSystemQuarantinedEvent));
        }
    }
}
