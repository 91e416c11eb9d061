using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Distributed.Nodes;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Coordination;

/// <summary>A node of the cluster, and how it is reached.</summary>
/// <param name="Description">The node.</param>
/// <param name="Address">Its host and port in the cluster.</param>
/// <param name="Status">Of its membership, for people: up, unreachable, leaving.</param>
/// <param name="IsUsable">Whether runs may use it: it is a member, and is not leaving.</param>
/// <param name="ParameterServer">Its parameter server; null: it has not that role.</param>
/// <param name="Worker">Its worker; null: it has not that role.</param>
public sealed record AvailableNode(
    NodeDescription Description, string Address, string Status, bool IsUsable,
    ICanTell? ParameterServer, ICanTell? Worker)
{
    /// <summary>Whether it has asked to be let go of: it is there, but gets nothing more to do.
    /// </summary>
    public bool IsLeaving { get; init; }

    /// <summary>The node.</summary>
    public NodeId Id => Description.Node;
}

/// <summary>To the coordinator, from whoever watches the membership: the cluster is this. Repeated
/// whenever it changes, and when the coordinator asks with <see cref="NodesRequest"/>.</summary>
/// <param name="Cluster">Its name.</param>
/// <param name="Self">The node that the coordinator lives on.</param>
/// <param name="Nodes">All of its nodes.</param>
/// <param name="Warnings">What is wrong with it, in words.</param>
public sealed record NodesAvailable(
    string Cluster, NodeId Self, ImmutableArray<AvailableNode> Nodes,
    ImmutableArray<string> Warnings) : INoSerializationVerificationNeeded
{
    /// <summary>Whether every member has introduced itself, or was given time to: before that, one
    /// that is missing is not gone.</summary>
    public bool IsComplete { get; init; } = true;
}

/// <summary>From the coordinator, when it has begun: which nodes are there?</summary>
public sealed record NodesRequest : INoSerializationVerificationNeeded;
