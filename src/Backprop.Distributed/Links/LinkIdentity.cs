using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Links;

/// <summary>Who is at one end of a link.</summary>
/// <param name="Cluster">The cluster's name; links join nodes of one cluster only.</param>
/// <param name="Node">The node's id: its address and incarnation.</param>
/// <param name="SoftwareVersion">The version of its software, for people: whether nodes of two
/// versions may be in one cluster is settled when they introduce themselves, and only whom a node
/// has met has links with it.</param>
public sealed record LinkIdentity(string Cluster, string Node, string SoftwareVersion)
{
    /// <summary>Bytes of UTF-8 that each text may have.</summary>
    public const int MaxTextBytes = 255;

    /// <summary>What the node may do by the certificate that it has shown; null: the link is
    /// without TLS.</summary>
    public NodeRoles? CertifiedRoles { get; init; }

    /// <summary>Why a link to <paramref name="peer"/> is refused, or null.</summary>
    public string? Refusal(LinkIdentity peer)
    {
        if (peer.Cluster != Cluster)
        {
            return $"node {peer.Node} belongs to cluster '{peer.Cluster}', node {Node} to"
                + $" '{Cluster}'";
        }

        return peer.Node == Node ? $"node {Node} dialled itself" : null;
    }
}
