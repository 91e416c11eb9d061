using System.Collections.Immutable;
using Backprop.Engine.Layers;

namespace Backprop.Engine.Networks;

/// <summary>A layer and where in the network its inputs come from.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Input">The node whose output it reads; −1: the network's input.</param>
/// <param name="Skip">For a residual sum, the node whose output is added, or −1 for the network's
/// input; null for every other layer.</param>
public sealed record NetworkNode(Layer Layer, int Input, int? Skip = null);

/// <summary>
/// The layers in order of computation with the layout of their parameters: immutable, without
/// weights. Containers (residual blocks) are already taken apart into their layers.
/// </summary>
public sealed class Network
{
    /// <summary>A network of these nodes.</summary>
    public Network(Shape inputShape, ImmutableArray<NetworkNode> nodes)
    {
        InputShape = inputShape;
        Nodes = nodes;
        Layout = new ParameterLayout(
            from entry in nodes.Select((node, index) => (node.Layer, index))
            from parameter in entry.Layer.Parameters
            select (entry.Layer.Name, entry.index, parameter));
    }

    /// <summary>The shape of one input row.</summary>
    public Shape InputShape { get; }

    /// <summary>The shape of one output row.</summary>
    public Shape OutputShape => Nodes.IsEmpty ? InputShape : Nodes[^1].Layer.OutputShape;

    /// <summary>The layers, in order of computation.</summary>
    public ImmutableArray<NetworkNode> Nodes { get; }

    /// <summary>Where each parameter lies in the flat vector.</summary>
    public ParameterLayout Layout { get; }
}
