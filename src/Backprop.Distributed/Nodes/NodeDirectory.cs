using System.Collections.Concurrent;
using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Nodes;

/// <summary>The nodes that a node knows: whom it dials and whose links it takes. Whoever watches
/// the membership fills it. Safe for any thread.</summary>
public sealed class NodeDirectory
{
    private readonly ConcurrentDictionary<NodeId, NodeDescription> _nodes = new();

    /// <summary>A node is gone. Called on the thread that removed it.</summary>
    public event Action<NodeId>? Removed;

    /// <summary>Every node known, in no order.</summary>
    public ImmutableArray<NodeDescription> All => [.. _nodes.Values];

    /// <summary>A node is there, or is described anew.</summary>
    public void Add(NodeDescription node) => _nodes[node.Node] = node;

    /// <summary>A node is gone, and does not come back under this name.</summary>
    public void Remove(NodeId node)
    {
        if (_nodes.TryRemove(node, out _))
        {
            Removed?.Invoke(node);
        }
    }

    /// <summary>What is known of a node; null: nothing.</summary>
    public NodeDescription? Find(NodeId node) => _nodes.GetValueOrDefault(node);
}
