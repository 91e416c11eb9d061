using System.Collections.Immutable;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Randomness;

namespace Backprop.Engine.Networks;

/// <summary>A layer and where in the network its inputs come from.</summary>
/// <param name="Layer">The layer.</param>
/// <param name="Input">The node whose output it reads; −1: the network's input.</param>
/// <param name="Skip">For a layer of two inputs, such as a residual sum, the node whose output is
/// the second, or −1 for the network's input; null for every other layer.</param>
public sealed record NetworkNode(Layer Layer, int Input, int? Skip = null)
{
    /// <summary>What the layer was made of; null: the network was put together without a
    /// <see cref="NetworkBuilder"/>.</summary>
    public LayerOrigin? Origin { get; init; }

    /// <summary>The node before it whose first parameter the layer computes with too: the two are
    /// one tensor, which lies in the layout once, as its owner's, and whose gradient is the sum of
    /// what both add to it. Null: the layer shares none.</summary>
    public int? Owner { get; init; }
}

/// <summary>The definition that a layer was made of, alone or with others.</summary>
/// <param name="Name">The definition's name in the network; a layer that it was taken apart into
/// has this name too, or one that begins with it and a point.</param>
/// <param name="Definition">What the user asked for.</param>
public sealed record LayerOrigin(string Name, LayerDefinition Definition);

/// <summary>Nodes that stand together.</summary>
/// <param name="First">The first.</param>
/// <param name="End">One past the last.</param>
public readonly record struct NodeRange(int First, int End)
{
    /// <summary>Whether a node is one of them.</summary>
    public bool Contains(int node) => node >= First && node < End;
}

/// <summary>
/// The layers in order of computation with the layout of their parameters: immutable, without
/// weights. Containers (residual blocks) are already taken apart into their layers.
/// </summary>
public sealed class Network
{
    private ImmutableDictionary<string, Initializer> _firstValues =
        ImmutableDictionary<string, Initializer>.Empty;

    /// <summary>A network of these nodes.</summary>
    /// <exception cref="ArgumentException">A node reads or shares with a node that does not come
    /// before it, or one of another shape; two layers have one name; an initializer does not suit
    /// its parameter; a node within <paramref name="recomputed"/> is read from outside, or shares a
    /// parameter; or there are more parameters than a buffer holds.</exception>
    public Network(
        Shape inputShape, ImmutableArray<NetworkNode> nodes,
        int blockLength = ParameterLayout.DefaultBlockLength,
        ImmutableArray<NodeRange> recomputed = default)
    {
        InputShape = inputShape;
        Nodes = nodes;
        Recomputed = recomputed.IsDefault ? [] : recomputed;
        CheckNodes();
        CheckRecomputed();
        Layout = new ParameterLayout(
            from entry in nodes.Select((node, index) => (node.Layer, index))
            from parameter in entry.Layer.Parameters
            select (entry.Layer.Name, entry.index, parameter), blockLength);
    }

    /// <summary>The shape of one input row.</summary>
    public Shape InputShape { get; }

    /// <summary>The shape of one output row.</summary>
    public Shape OutputShape => Nodes.IsEmpty ? InputShape : Nodes[^1].Layer.OutputShape;

    /// <summary>The layers, in order of computation.</summary>
    public ImmutableArray<NetworkNode> Nodes { get; }

    /// <summary>
    /// Nodes whose outputs are not kept for the backward pass, ranges one after the other: only the
    /// last node's is, and the others are computed anew from what the range reads when the backward
    /// pass comes to it. The same numbers are computed, so no bit depends on it. Chen et al.,
    /// "Training deep nets with sublinear memory cost", 2016; PyTorch's <c>checkpoint</c>.
    /// </summary>
    public ImmutableArray<NodeRange> Recomputed { get; }

    /// <summary>Where each parameter lies in the flat vector.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>Where the parameters that a node computes with begin in the flat vector: its own,
    /// or the one that it shares.</summary>
    public ImmutableArray<int> ParameterOffsets(int node) => Nodes[node].Owner is { } owner
        ? [Layout.Views.First(view => view.LayerIndex == owner).Offset]
        : [.. Layout.Views.Where(view => view.LayerIndex == node).Select(view => view.Offset)];

    /// <summary>Builds the layers that the definitions ask for, one after the other.</summary>
    /// <param name="input">The shape of one input row.</param>
    /// <param name="layers">From the input to the output.</param>
    /// <param name="blockLength">Parameters in a block: see <see cref="ParameterLayout"/>.</param>
    /// <exception cref="ArgumentException">A layer does not suit its input, or a name stands twice;
    /// the message names the layer.</exception>
    public static Network Build(
        Shape input, IReadOnlyList<LayerDefinition> layers,
        int blockLength = ParameterLayout.DefaultBlockLength)
    {
        var builder = new NetworkBuilder(input);
        foreach (LayerDefinition layer in layers)
        {
            builder.Add(layer);
        }

        return builder.Build(blockLength);
    }

    /// <summary>The same network, whose first values are others.</summary>
    /// <param name="firstValues">By the parameter's full name; parameters that are not in it keep
    /// the initializer of their layer.</param>
    /// <exception cref="ArgumentException">There is no such parameter, or an initializer does not
    /// suit it.</exception>
    public Network StartingFrom(IReadOnlyDictionary<string, Initializer> firstValues)
    {
        foreach ((string name, Initializer initializer) in firstValues)
        {
            if (!Layout.TryFind(name, out ParameterView? view))
            {
                throw new ArgumentException($"the network has no parameter '{name}'");
            }

            initializer.Check(name, view.Declaration.Shape);
        }

        return new Network(InputShape, Nodes, Layout.BlockLength, Recomputed)
        {
            _firstValues = firstValues.ToImmutableDictionary(StringComparer.Ordinal),
        };
    }

    /// <summary>Fills a parameter vector with the initial values: each tensor draws from a stream
    /// of its own, named by its position in the layout, so that a tensor's values do not depend on
    /// what was drawn before it (rule 4). Padding is zeroed.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="destination">As long as the layout.</param>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void InitializeWeights(ulong seed, AlignedBuffer destination)
    {
        Layout.CheckLength(destination);
        destination.Span.Clear();
        for (int index = 0; index < Layout.Views.Length; index++)
        {
            ParameterView view = Layout.Views[index];
            Shape shape = view.Declaration.Shape;
            (int fanIn, int fanOut) = FansOf(shape);
            _firstValues.GetValueOrDefault(view.Name, view.Declaration.Initializer).Fill(
                shape, fanIn, fanOut,
                new RandomStream(seed, RandomPurpose.Initialization, (uint)index),
                destination.Span.Slice(view.Offset, view.Length));
        }
    }

    /// <summary>
    /// How many inputs meet in one output, and how many outputs one input feeds, by the order of a
    /// tensor's dimensions: [..., inputs, outputs], where leading dimensions are the positions of a
    /// kernel, each of which counts. A vector's fans are its length.
    /// </summary>
    private static (int FanIn, int FanOut) FansOf(Shape shape)
    {
        ImmutableArray<int> dimensions = shape.Dimensions;
        if (dimensions.Length < 2)
        {
            return (shape.Count, shape.Count);
        }

        return (shape.Count / dimensions[^1], shape.Count / dimensions[^2]);
    }

    private void CheckNodes()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int index = 0; index < Nodes.Length; index++)
        {
            (Layer layer, int input, int? skip) = Nodes[index];
            if (!names.Add(layer.Name))
            {
                throw new ArgumentException($"two layers are named '{layer.Name}'");
            }

            CheckSource(index, input, layer.InputShape);
            if (skip is int source)
            {
                CheckSource(index, source, layer.SkipShape);
            }

            CheckOwner(index);

            foreach (ParameterDeclaration parameter in layer.Parameters)
            {
                parameter.Initializer.Check($"{layer.Name}.{parameter.Name}", parameter.Shape);
            }
        }
    }

    private void CheckRecomputed()
    {
        int end = 0;
        foreach (NodeRange range in Recomputed)
        {
            if (range.First < end || range.End <= range.First || range.End > Nodes.Length)
            {
                throw new ArgumentException(
                    $"nodes {range.First} to {range.End} cannot be recomputed: ranges are of nodes "
                    + "that are there, one after the other");
            }

            end = range.End;
            for (int index = range.First; index < end; index++)
            {
                // By when the shared gradient is computed, what it read is written over.
                if (Nodes[index].Owner is not null)
                {
                    throw new ArgumentException(
                        $"layer '{Nodes[index].Layer.Name}' is tied to another and stands within "
                        + "a block that is recomputed: put it behind the block");
                }
            }

            for (int index = end; index < Nodes.Length; index++)
            {
                (Layer layer, int input, int? skip) = Nodes[index];
                if (IsWithin(range, input) || (skip is int source && IsWithin(range, source)))
                {
                    throw new ArgumentException(
                        $"layer '{layer.Name}' reads a node within those that are recomputed");
                }
            }
        }
    }

    private void CheckOwner(int index)
    {
        NetworkNode node = Nodes[index];
        Shape? owned = node.Owner is { } owner && owner >= 0 && owner < index
            ? Nodes[owner].Layer.Parameters.FirstOrDefault()?.Shape
            : null;
        if (node.Layer.SharedShape != owned || (node.Owner is not null && owned is null))
        {
            throw new ArgumentException(
                $"layer '{node.Layer.Name}' shares a parameter of shape "
                + $"{node.Layer.SharedShape?.ToString() ?? "none"} with node {node.Owner}, which "
                + $"has {owned?.ToString() ?? "none"}");
        }
    }

    private static bool IsWithin(NodeRange range, int node) =>
        node >= range.First && node < range.End - 1;

    private void CheckSource(int index, int source, Shape expected)
    {
        string name = Nodes[index].Layer.Name;
        if (source < -1 || source >= index)
        {
            throw new ArgumentException(
                $"layer '{name}' is node {index} and cannot read node {source}");
        }

        Shape actual = source < 0 ? InputShape : Nodes[source].Layer.OutputShape;
        if (actual != expected)
        {
            throw new ArgumentException(
                $"layer '{name}' reads rows of shape {expected}, but node {source} makes {actual}");
        }
    }
}
