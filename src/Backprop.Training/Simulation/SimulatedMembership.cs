using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>What coordinators are told of the nodes: late, and not always right.</summary>
internal sealed class SimulatedMembership(SimulatedCluster cluster)
{
    private readonly SortedDictionary<NodeId, ClusterNode> _known = [];

    /// <summary>The nodes as they are taken to be.</summary>
    public ImmutableArray<ClusterNode> Nodes => [.. _known.Values];

    /// <summary>A node is up; whoever was at its place is not.</summary>
    public void Up(SimulatedNode node)
    {
        if (node.Life.IsOver)
        {
            return;
        }

        string place = node.Id.Value[..(node.Id.Value.IndexOf('.') + 1)];
        foreach (NodeId old in _known.Keys.Where(
            id => id.Value.StartsWith(place, StringComparison.Ordinal)).ToArray())
        {
            _known.Remove(old);
        }

        _known[node.Id] =
            new ClusterNode(node.Id, node.Roles.IsServer, node.Roles.IsWorker);
        cluster.TellCoordinators();
    }

    /// <summary>A node wants to leave.</summary>
    public void Leaving(NodeId node)
    {
        if (_known.TryGetValue(node, out ClusterNode known))
        {
            _known[node] = known with { IsLeaving = true };
            cluster.TellCoordinators();
        }
    }

    /// <summary>A node is not up, or taken not to be.</summary>
    public void Down(NodeId node)
    {
        if (_known.Remove(node))
        {
            cluster.TellCoordinators();
        }
    }
}
