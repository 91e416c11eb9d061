using System.Collections.Immutable;
using Backprop.Distributed.Configuration;

namespace Backprop.Console.Hosting;

/// <summary>
/// Who founds a cluster of several coordinators. Akka leaves that to the first of those that nodes
/// join at. Where it is lost, and the others have left the cluster too (each took itself for the
/// smaller side of a split, since for a moment nobody heard of the others), nobody could found one
/// until the first is back: so the first one that is there does. A founder that errs does no harm:
/// it asks the others first whether there is a cluster, and what it has founded begins to work only
/// with the majority of the coordinators in it.
/// </summary>
internal static class Founding
{
    /// <summary>Whether it is up to this coordinator.</summary>
    /// <param name="self">Where it is reached.</param>
    /// <param name="cluster">The cluster.</param>
    /// <param name="answering">Who else answers, of those that nodes join at.</param>
    public static bool IsUpTo(
        NodeAddress self, ClusterConfiguration cluster, IReadOnlySet<NodeAddress> answering)
    {
        NodeAddress[] there =
        [
            .. cluster.Join.Distinct().Where(one => one == self || answering.Contains(one)),
        ];
        return there.Length > cluster.Coordinators / 2 && there[0] == self;
    }

    /// <summary>The cluster as its founder sees it: at itself is where others are to join.
    /// </summary>
    public static ClusterConfiguration By(NodeAddress self, ClusterConfiguration cluster) =>
        cluster with { Join = [self, .. cluster.Join.Where(one => one != self)] };

    /// <summary>Whether a node founds the cluster if it finds none.</summary>
    public static bool IsBy(NodeAddress self, ImmutableArray<NodeAddress> join) =>
        join.IsEmpty || join[0] == self;
}
