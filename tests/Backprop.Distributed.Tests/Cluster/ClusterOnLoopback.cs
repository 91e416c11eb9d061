using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Backprop.Distributed.Cluster;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Links;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Cluster;

/// <summary>Nodes that find each other over sockets, each with an actor system of its own and, for
/// a coordinator, one that says where it lives.</summary>
internal sealed class ClusterOnLoopback : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private readonly List<LoopbackNode> _nodes = [];

    public LoopbackNode Add(NodeRoles roles, string version = "2.0/3/2/1", string cluster = "test")
    {
        var node = new LoopbackNode(roles, version, cluster);
        node.Join(_nodes.FirstOrDefault(one => !one.Cluster.IsTerminated) ?? node);
        _nodes.Add(node);
        return node;
    }

    public static async Task AwaitAsync(Func<bool> holds, string what)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (!holds())
        {
            try
            {
                await Task.Delay(20, limit.Token);
            }
            catch (OperationCanceledException)
            {
                throw new TimeoutException(what);
            }
        }
    }

    /// <summary>What the coordinator says of the cluster, as soon as it is as wished.</summary>
    public static async Task<NodesAvailable> SeeAsync(
        LoopbackNode from, Func<NodesAvailable, bool> holds, string what)
    {
        NodesAvailable? seen = null;
        await AwaitAsync(
            () => from.Told.TryPeek(out _) && holds(seen = from.Told.Last()), what);
        return seen!;
    }

    public async ValueTask DisposeAsync() =>
        await Task.WhenAll(_nodes.Select(node => node.System.Terminate())).WaitAsync(s_limit);
}

/// <summary>A node.</summary>
internal sealed class LoopbackNode
{
    private static readonly Config s_test = ConfigurationFactory.ParseString("""
        akka {
          loglevel = ERROR
          stdout-loglevel = OFF
          loggers = []
          cluster.gossip-interval = 200ms
          cluster.leader-actions-interval = 200ms
          cluster.singleton.hand-over-retry-interval = 200ms
        }
        """);

    public LoopbackNode(NodeRoles roles, string version, string cluster)
    {
        SoftwareVersion software = SoftwareVersion.Parse(version)!;
        System = ActorSystem.Create(
            ClusterActorConfiguration.SystemName,
            s_test.WithFallback(ClusterActorConfiguration.Of(new ClusterOptions
            {
                Host = "127.0.0.1",
                Port = 0,
                Roles = roles,
            })));
        Cluster = Akka.Cluster.Cluster.Get(System);
        Introduction = new Introduction(
            cluster,
            new NodeDescription(
                Membership.NodeOf(Cluster.SelfUniqueAddress), roles,
                new LinkAddress("a-host-that-is-not-believed", 7), software.Release, 1, "test")
            {
                Protocol = software.Protocol,
            },
            WantsAnswer: false);
        IActorRef membership = System.ActorOf(
            Membership.Props(Introduction, Directory, Refusals.Enqueue, _ => { }),
            Membership.Name);
        if (roles.HasFlag(NodeRoles.Coordinator))
        {
            CoordinatorSeat.Offer(
                System, Props.Create(() => new Listener(membership, Told)));
        }

        Client = CoordinatorSeat.Reach(System);
    }

    public ActorSystem System { get; }

    public Akka.Cluster.Cluster Cluster { get; }

    public Introduction Introduction { get; }

    public NodeDirectory Directory { get; } = new();

    public ConcurrentQueue<string> Refusals { get; } = new();

    public ConcurrentQueue<NodesAvailable> Told { get; } = new();

    public ICoordinatorClient Client { get; }

    public NodeId Id => Introduction.Node.Node;

    public void Join(LoopbackNode seed) => Cluster.Join(seed.Cluster.SelfAddress);

    public bool Knows(params LoopbackNode[] nodes) =>
        Directory.All.Select(node => node.Node).ToHashSet()
            .SetEquals(nodes.Select(node => node.Id));

    /// <summary>A coordinator that keeps what it is told, and answers who it is.</summary>
    private sealed class Listener : ReceiveActor
    {
        public Listener(IActorRef membership, ConcurrentQueue<NodesAvailable> told)
        {
            membership.Tell(new NodesRequest());
            Receive<NodesAvailable>(told.Enqueue);
            Receive<CoordinatorRequest.ShowCluster>(_ => Sender.Tell(
                new CoordinatorAnswer.Cluster(new ClusterView(
                    "test", [],
                    Membership.NodeOf(
                        Akka.Cluster.Cluster.Get(Context.System).SelfUniqueAddress),
                    ImmutableArray<string>.Empty))));
        }
    }
}
