using System.Collections.Immutable;
using Backprop.Engine.Layers;

namespace Backprop.Engine.Networks;

/// <summary>Puts a network together, layer after layer: names the layers, and tells each definition
/// the shape that its layer will read.</summary>
/// <param name="inputShape">The shape of one input row.</param>
/// <param name="inputs">Parts of the row that layers read by name; none: layers read the row.
/// </param>
public sealed class NetworkBuilder(Shape inputShape, ImmutableArray<NetworkInput> inputs = default)
{
    /// <summary>The network's input, where a node is asked for.</summary>
    public const int InputNode = -1;

    private readonly ImmutableArray<NetworkNode>.Builder _nodes =
        ImmutableArray.CreateBuilder<NetworkNode>();

    // How many layers of a kind stand in a scope: the next automatic name.
    private readonly Dictionary<(string Scope, string Kind), int> _counts = [];

    // What the layers that are being appended are made of.
    private LayerOrigin? _origin;

    private readonly List<NodeRange> _recomputed = [];

    private readonly ImmutableArray<NetworkOutput>.Builder _outputs =
        ImmutableArray.CreateBuilder<NetworkOutput>();

    /// <summary>The shape of one input row of the network.</summary>
    public Shape InputShape => inputShape;

    /// <summary>Parts of the row that layers read by name.</summary>
    public ImmutableArray<NetworkInput> Inputs { get; } = inputs.IsDefault ? [] : inputs;

    /// <summary>The shape of the rows that the next layer reads.</summary>
    public Shape OutputShape => LastNode < 0 ? inputShape : _nodes[LastNode].Layer.OutputShape;

    /// <summary>The node that the next layer reads; −1: the network's input.</summary>
    public int LastNode { get; private set; } = InputNode;

    /// <summary>Nodes so far.</summary>
    public int NodeCount => _nodes.Count;

    /// <summary>The node of a layer that is there; null: none has that name.</summary>
    public int? Find(string name)
    {
        for (int node = 0; node < _nodes.Count; node++)
        {
            if (_nodes[node].Layer.Name == name)
            {
                return node;
            }
        }

        return null;
    }

    /// <summary>The layer of a node that is there.</summary>
    public Layer LayerOf(int node) => _nodes[node].Layer;

    /// <summary>Lets the next layer read a node other than the last one: where branches begin.
    /// </summary>
    /// <param name="node">One that is there; −1: the network's input.</param>
    public void GoOnFrom(int node)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(node, -1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(node, _nodes.Count);
        LastNode = node;
    }

    /// <summary>Has the nodes from <paramref name="first"/> on computed anew in the backward pass:
    /// see <see cref="Network.Recomputed"/>. What was marked within them before is part of it.
    /// </summary>
    public void Recompute(int first)
    {
        _recomputed.RemoveAll(range => range.First >= first);
        if (first < _nodes.Count)
        {
            _recomputed.Add(new NodeRange(first, _nodes.Count));
        }
    }

    /// <summary>Makes the last node's output one of the network's.</summary>
    /// <param name="name">Its name.</param>
    public void MarkOutput(string name) =>
        _outputs.Add(new NetworkOutput(name, LastNode, OutputShape));

    /// <summary>Adds what a definition stands for. A layer without a name is called by its kind and
    /// its number among the layers of that kind: <c>dense1</c>, <c>dense2</c>.</summary>
    /// <param name="definition">The layer or layers.</param>
    /// <param name="scope">The name of the block that holds it; it goes before the layer's own, as
    /// in <c>residual1.dense1</c>. Empty: none.</param>
    /// <exception cref="ArgumentException">The layer does not suit its input, or its name is not
    /// one or stands twice.</exception>
    public void Add(LayerDefinition definition, string scope = "")
    {
        var key = (scope, definition.Kind);
        int number = _counts[key] = _counts.GetValueOrDefault(key) + 1;
        string own = definition.Name ?? $"{definition.Kind}{number}";
        CheckName(own);
        string name = scope.Length == 0 ? own : $"{scope}.{own}";
        LayerOrigin? outer = _origin;
        _origin = new LayerOrigin(name, definition);
        definition.AddTo(this, name);
        _origin = outer;
    }

    /// <summary>Adds one layer that reads the last node.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="skip">For a layer of two inputs (a residual sum), the other one's node; −1: the
    /// network's input.</param>
    /// <param name="owner">For a layer that shares a parameter, the node that it belongs to.
    /// </param>
    /// <exception cref="ArgumentException">The layer's name stands twice.</exception>
    public void Append(Layer layer, int? skip = null, int? owner = null)
    {
        if (Find(layer.Name) is not null)
        {
            throw new ArgumentException(
                $"two layers are named '{layer.Name}': give one of them another name");
        }

        _nodes.Add(new NetworkNode(layer, LastNode, skip) { Origin = _origin, Owner = owner });
        LastNode = _nodes.Count - 1;
    }

    /// <summary>The network of the layers added so far.</summary>
    /// <param name="blockLength">Parameters in a block: see <see cref="ParameterLayout"/>.</param>
    /// <exception cref="ArgumentException">There are more parameters than a buffer holds, an input
    /// that nobody reads, a layer that reads none of them, or one that leads to no output.
    /// </exception>
    public Network Build(int blockLength = ParameterLayout.DefaultBlockLength)
    {
        NetworkNode? whole = Inputs.IsEmpty ? null : _nodes.FirstOrDefault(node =>
            node.Layer is not InputLayer && (node.Input < 0 || node.Skip < 0));
        if (whole is not null)
        {
            throw new ArgumentException(
                $"layer '{whole.Layer.Name}' reads the whole sample, and inputs are named: let "
                + $"what it stands in begin with one, {{ input = {Inputs[0].Name} }}");
        }

        var network = new Network(
            inputShape, _nodes.ToImmutable(), blockLength, [.. _recomputed],
            _outputs.ToImmutable());
        return Inputs.Except(network.Inputs).FirstOrDefault() is { } unread
            ? throw new ArgumentException(
                $"no layer reads the input '{unread.Name}': let one begin with "
                + $"{{ input = {unread.Name} }}, or leave it out")
            : network;
    }

    // Names stand in file formats and in arguments such as output.weight[0,0].
    private static void CheckName(string name)
    {
        if (name.Length == 0 || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))
        {
            throw new ArgumentException(
                $"'{name}' is not a layer's name: letters, digits, '-' and '_' make one");
        }
    }
}
