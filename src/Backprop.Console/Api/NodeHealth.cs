using Akka.Cluster;
using Backprop.Distributed.Persistence;

namespace Backprop.Console.Api;

/// <summary>Whether a node does what it is there for.</summary>
/// <param name="Unready">Why it does not, in words; null: it does.</param>
/// <param name="Trouble">Why its database was not reached when it was asked last; null: it was. A
/// node whose database is away trains on, so this does not make it unready.</param>
internal sealed record NodeHealth(Func<string?> Unready, Func<string?> Trouble)
{
    /// <summary>That of a member of a cluster.</summary>
    public static NodeHealth Of(Cluster cluster, StateWatch database) =>
        new(() => ReasonOf(cluster), database.Trouble);

    private static string? ReasonOf(Cluster cluster) =>
        cluster.IsTerminated ? "this node has left its cluster"
            : cluster.SelfMember.Status == MemberStatus.Up ? null
            : $"this node is {cluster.SelfMember.Status.ToString().ToLowerInvariant()}, not up";
}
