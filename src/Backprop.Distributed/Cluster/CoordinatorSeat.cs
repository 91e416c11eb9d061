using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Cluster;

/// <summary>Where the one coordinator of a cluster lives: on the oldest node with that role.
/// </summary>
public static class CoordinatorSeat
{
    /// <summary>The name of the actor that a node with the role has.</summary>
    public const string Name = "coordinator";

    private const string Path = "/user/" + Name;
    private const int AskAttempts = 12;
    private const int MostWaitingRequests = 100;
    private static readonly TimeSpan s_askDeadline = TimeSpan.FromSeconds(5);

    private static string Role => RoleNames.Of(NodeRoles.Coordinator);

    /// <summary>Offers a node with the role coordinator as its seat.</summary>
    /// <param name="system">The node's.</param>
    /// <param name="coordinator">The coordinator, under its supervisor.</param>
    public static IActorRef Offer(ActorSystem system, Props coordinator) => system.ActorOf(
        ClusterSingletonManager.Props(
            coordinator, PoisonPill.Instance,
            ClusterSingletonManagerSettings.Create(system).WithRole(Role)),
        Name);

    /// <summary>Reaches the coordinator from any node, wherever it lives.</summary>
    /// <param name="system">The node's.</param>
    public static ICoordinatorClient Reach(ActorSystem system) => new CoordinatorClient(
        system.ActorOf(
            ClusterSingletonProxy.Props(
                Path,
                ClusterSingletonProxySettings.Create(system).WithRole(Role)
                    .WithBufferSize(MostWaitingRequests)),
            Name + "-proxy"),
        AskAttempts, s_askDeadline);
}
