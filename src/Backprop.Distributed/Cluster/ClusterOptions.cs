using Backprop.Distributed.Nodes;

namespace Backprop.Distributed.Cluster;

/// <summary>What a node's actor system is told of its cluster. All but host, port and roles are the
/// same on every node.</summary>
public sealed record ClusterOptions
{
    /// <summary>Where others reach the node.</summary>
    public required string Host { get; init; }

    /// <summary>For control messages; 0: any free one.</summary>
    public required int Port { get; init; }

    /// <summary>Where it listens, if not at <see cref="Host"/>; null: there.</summary>
    public string? BindHost { get; init; }

    /// <summary>The port that it listens on; 0: <see cref="Port"/>.</summary>
    public int BindPort { get; init; }

    /// <summary>What the node does, at least one thing.</summary>
    public required NodeRoles Roles { get; init; }

    /// <summary>Nodes with the role coordinator: 1, or an odd number of which the majority decides.
    /// </summary>
    public int Coordinators { get; init; } = 1;

    /// <summary>Whether it founds the cluster where it finds nobody to join: the first of those
    /// that nodes are told to join, or who is told to join nobody.</summary>
    public bool MayFound { get; init; }

    /// <summary>A node may be silent for so long before it is suspected.</summary>
    public TimeSpan AcceptablePause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Suspected nodes are taken out after so long without a change.</summary>
    public TimeSpan StableAfter { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What each phase of leaving may take.</summary>
    public TimeSpan LeavingDeadline { get; init; } = TimeSpan.FromSeconds(20);
}
