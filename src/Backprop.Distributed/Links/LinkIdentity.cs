using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Links;

/// <summary>Who is at one end of a link.</summary>
/// <param name="Cluster">The cluster's name; links join nodes of one cluster only.</param>
/// <param name="Node">The node's id: its address and incarnation.</param>
/// <param name="SoftwareVersion">The version of this software; another one may compute other bits.
/// </param>
public sealed record LinkIdentity(string Cluster, string Node, string SoftwareVersion)
{
    /// <summary>Bytes of UTF-8 that each text may have.</summary>
    public const int MaxTextBytes = 255;

    /// <summary>What the node may do by the certificate that it has shown; null: the link is without
    /// TLS.</summary>
    public NodeRoles? CertifiedRoles { get; init; }

    /// <summary>Why a link to <paramref name="peer"/> is refused, or null.</summary>
    public string? Refusal(LinkIdentity peer)
    {
        if (peer.Cluster != Cluster)
        {
            return $"node {peer.Node} belongs to cluster '{peer.Cluster}', node {Node} to"
                + $" '{Cluster}'";
        }

        if (peer.SoftwareVersion != SoftwareVersion)
        {
            return $"node {peer.Node} runs version {peer.SoftwareVersion}, node {Node} version"
                + $" {SoftwareVersion}; nodes of one cluster run the same";
        }

        return peer.Node == Node ? $"node {Node} dialled itself" : null;
    }
}
