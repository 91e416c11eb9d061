using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Cluster;

/// <summary>From a node to another of its cluster: who it is, beside what the membership says.
/// </summary>
/// <param name="Cluster">The cluster that it means to be in.</param>
/// <param name="Node">Itself.</param>
/// <param name="WantsAnswer">Whether it does not know the other yet.</param>
public sealed record Introduction(string Cluster, NodeDescription Node, bool WantsAnswer)
{
    /// <summary>Why two nodes cannot be in one cluster, or null.</summary>
    /// <param name="younger">The one that joined later: it has to go.</param>
    public string? Refusal(Introduction younger)
    {
        if (younger.Cluster != Cluster)
        {
            return $"node {younger.Node.Node} means to join cluster '{younger.Cluster}', but node"
                + $" {Node.Node} belongs to '{Cluster}'";
        }

        return ProtocolSupport.Refusal(Node, younger.Node);
    }
}
