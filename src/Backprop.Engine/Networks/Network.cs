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
    /// <summary>The most outputs of a network.</summary>
    public const int MaxOutputs = 256;

    private ImmutableDictionary<string, Initializer> _firstValues =
        ImmutableDictionary<string, Initializer>.Empty;

    /// <summary>A network of these nodes.</summary>
    /// <param name="inputShape">The shape of one input row.</param>
    /// <param name="nodes">The layers, in order of computation.</param>
    /// <param name="blockLength">Parameters in a block: see <see cref="ParameterLayout"/>.</param>
    /// <param name="recomputed">See <see cref="Recomputed"/>.</param>
    /// <param name="outputs">See <see cref="Outputs"/>; none: the last node's output is the only
    /// one.</param>
    /// <exception cref="ArgumentException">A node reads or shares with a node that does not come
    /// before it, or one of another shape; two layers or outputs have one name; an initializer does
    /// not suit its parameter; a node within <paramref name="recomputed"/> is read from outside, or
    /// shares a parameter; a node leads to none of the named outputs; or there are more parameters
    /// than a buffer holds.</exception>
    public Network(
        Shape inputShape, ImmutableArray<NetworkNode> nodes,
        int blockLength = ParameterLayout.DefaultBlockLength,
        ImmutableArray<NodeRange> recomputed = default,
        ImmutableArray<NetworkOutput> outputs = default)
    {
        InputShape = inputShape;
        Nodes = nodes;
        Recomputed = recomputed.IsDefault ? [] : recomputed;
        HasNamedOutputs = !outputs.IsDefaultOrEmpty;
        Shape last = nodes.IsEmpty ? inputShape : nodes[^1].Layer.OutputShape;
        Outputs = HasNamedOutputs ? outputs : [new NetworkOutput("", nodes.Length - 1, last)];
        OutputShape = HasNamedOutputs
            ? Shape.Of(checked(outputs.Sum(output => output.Shape.Count)))
            : last;
        CheckNodes();
        CheckRecomputed();
        CheckOutputs();
        Layout = new ParameterLayout(
            from entry in nodes.Select((node, index) => (node.Layer, index))
            from parameter in entry.Layer.Parameters
            select (entry.Layer.Name, entry.index, parameter), blockLength);
    }

    /// <summary>The shape of one input row.</summary>
    public Shape InputShape { get; }

    /// <summary>The shape of one output row: that of the only output, or, where outputs are named,
    /// all of their numbers side by side, in their order.</summary>
    public Shape OutputShape { get; }

    /// <summary>What is judged by a loss, in the order in which they were named: the last node's
    /// output, without a name, or those that are named.</summary>
    public ImmutableArray<NetworkOutput> Outputs { get; }

    /// <summary>Whether outputs are named; else the last node's is the only one.</summary>
    public bool HasNamedOutputs { get; }

    /// <summary>Losses of a row: its own, and where outputs are named each one's.</summary>
    public int LossesOfRow => HasNamedOutputs ? 1 + Outputs.Length : 1;

    /// <summary>The parts of the input that layers read by name, in the order in which they come;
    /// empty: layers read the whole row.</summary>
    public ImmutableArray<NetworkInput> Inputs =>
        [.. Nodes.Select(node => node.Layer).OfType<InputLayer>().Select(l => l.Input).Distinct()];

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
    /// <param name="inputs">Parts of the row that layers read by name.</param>
    /// <exception cref="ArgumentException">A layer does not suit its input, or a name stands twice;
    /// the message names the layer.</exception>
    public static Network Build(
        Shape input, IReadOnlyList<LayerDefinition> layers,
        int blockLength = ParameterLayout.DefaultBlockLength,
        params ImmutableArray<NetworkInput> inputs)
    {
        var builder = new NetworkBuilder(input, inputs);
        foreach (LayerDefinition layer in layers)
        {
            builder.Add(layer);
        }

        return builder.Build(blockLength);
    }

    /// <summary>A network of layers one after the other, as a run's <c>model</c> lists them.
    /// </summary>
    /// <param name="input">The shape of one input row.</param>
    /// <param name="layers">From the input to the output.</param>
    /// <exception cref="ArgumentException">As for <see cref="Build"/>.</exception>
    public static Network Sequential(Shape input, params ReadOnlySpan<LayerDefinition> layers) =>
        Build(input, layers.ToArray());

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

        return new Network(
            InputShape, Nodes, Layout.BlockLength, Recomputed, HasNamedOutputs ? Outputs : [])
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

    private void CheckOutputs()
    {
        if (!HasNamedOutputs)
        {
            return;
        }

        if (Outputs.Length > MaxOutputs)
        {
            throw new ArgumentException(
                $"{Outputs.Length} outputs, where at most {MaxOutputs} can be");
        }

        var names = new HashSet<string>(StringComparer.Ordinal);
        var leads = new bool[Nodes.Length];
        foreach (NetworkOutput output in Outputs)
        {
            if (!names.Add(output.Name))
            {
                throw new ArgumentException($"two outputs are named '{output.Name}'");
            }

            if (output.Node < 0 || output.Node >= Nodes.Length
                || Nodes[output.Node].Layer.OutputShape != output.Shape)
            {
                throw new ArgumentException(
                    $"output '{output.Name}', of shape {output.Shape}, is node {output.Node}, "
                    + "which computes nothing of that shape: at least one layer makes an output");
            }

            // Its gradient would be written over before the backward pass comes to it.
            if (Recomputed.Any(range => IsWithin(range, output.Node)))
            {
                throw new ArgumentException(
                    $"output '{output.Name}' stands within a block that is recomputed: put it "
                    + "behind the block");
            }

            leads[output.Node] = true;
        }

        for (int index = Nodes.Length - 1; index >= 0; index--)
        {
            (Layer layer, int input, int? skip) = Nodes[index];
            if (!leads[index])
            {
                throw new ArgumentException(
                    $"layer '{layer.Name}' leads to no output: where outputs are named, every "
                    + "layer stands before one or in one");
            }

            foreach (int source in (int[])[input, skip ?? -1])
            {
                if (source >= 0)
                {
                    leads[source] = true;
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
