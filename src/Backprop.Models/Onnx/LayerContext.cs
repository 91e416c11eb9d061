using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Interchange;

namespace Backprop.Models.Onnx;

/// <summary>What a layer is given to write itself as nodes.</summary>
/// <param name="Graph">Takes the nodes.</param>
/// <param name="Node">The layer, and what it was made of.</param>
/// <param name="Input">The value that it reads, [batch, input shape].</param>
/// <param name="Skip">The second value of a layer of two inputs; null elsewhere.</param>
/// <param name="Weights">The member's weights.</param>
internal sealed record LayerContext(
    OnnxGraph Graph, NetworkNode Node, string Input, string? Skip, MemberWeights Weights)
{
    /// <summary>The layer.</summary>
    public Layer Layer => Node.Layer;

    /// <summary>The dimensions of an input row.</summary>
    public ImmutableArray<int> InputShape => Layer.InputShape.Dimensions;

    /// <summary>The dimensions of an output row.</summary>
    public ImmutableArray<int> OutputShape => Layer.OutputShape.Dimensions;

    /// <summary>Whether rows are sequences: [positions, width].</summary>
    public bool IsSequence => InputShape.Length == 2;

    /// <summary>The definition that the layer was made of.</summary>
    public T Definition<T>()
        where T : LayerDefinition => Node.Origin?.Definition as T
            ?? throw new ModelException(
                $"layer '{Layer.Name}' was not made of a {typeof(T).Name}");

    /// <summary>One of the layer's parameters, as it is.</summary>
    public ReadOnlySpan<float> Parameter(int index) =>
        Weights.Of($"{Layer.Name}.{Layer.Parameters[index].Name}");

    /// <summary>Adds one of the layer's parameters to the graph, as it is.</summary>
    public string AddParameter(int index) => Weights.AddTo(Graph, Layer, index);

    /// <summary>The parameter that the layer shares, in the graph once for all who do.</summary>
    public string AddShared() => Weights.AddTo(Graph, Weights.OwnerOf(Node), 0);
}

/// <summary>A member's weights by name.</summary>
/// <param name="network">Where they lie.</param>
/// <param name="weights">The flat vector.</param>
internal sealed class MemberWeights(Network network, AlignedBuffer weights)
{
    // Of the layers that have operators of their own in ONNX.
    private readonly ImmutableDictionary<string, StridedTensor> _tensors = network.Nodes
        .Where(node => !node.Layer.Parameters.IsEmpty
            && node.Origin?.Definition is ConvolutionDefinition or RecurrentDefinition)
        .SelectMany(PyTorchLayout.Of)
        .ToImmutableDictionary(tensor => tensor.Name);

    // What stands in the graph already.
    private readonly Dictionary<string, string> _added = new(StringComparer.Ordinal);

    /// <summary>The layer whose parameter another shares.</summary>
    public Layer OwnerOf(NetworkNode node) => network.Nodes[node.Owner!.Value].Layer;

    /// <summary>Adds a parameter to the graph, as it is, once.</summary>
    /// <returns>Its name there.</returns>
    public string AddTo(OnnxGraph graph, Layer layer, int index)
    {
        ParameterDeclaration parameter = layer.Parameters[index];
        string name = $"{layer.Name}.{parameter.Name}";
        if (!_added.TryGetValue(name, out string? constant))
        {
            constant = graph.Constant(
                parameter.Name, Of(name), parameter.Shape.Dimensions.AsSpan());
            _added.Add(name, constant);
        }

        return constant;
    }

    /// <summary>A parameter, as it is.</summary>
    public ReadOnlySpan<float> Of(string name) =>
        network.Layout.TryFind(name, out ParameterView? view)
            ? weights.Span.Slice(view.Offset, view.Length)
            : throw new InvalidOperationException($"there is no parameter '{name}'");

    /// <summary>A tensor of a convolution or a recurrence as PyTorch has it, and ONNX.</summary>
    public (float[] Values, ImmutableArray<int> Shape) OfTensor(string name)
    {
        StridedTensor tensor = _tensors[name];
        var values = new float[tensor.Count];
        tensor.Gather(Of(tensor.Parameter), values);
        return (values, tensor.Shape);
    }
}
