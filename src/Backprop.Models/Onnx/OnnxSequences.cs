using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Onnx;

namespace Backprop.Models.Onnx;

/// <summary>Layers over the positions of sequences as nodes of ONNX.</summary>
internal static class OnnxSequences
{
    // Where ONNX's gates are among ours: input, output, forget, cell of input, forget, cell,
    // output; and update, reset, new of reset, update, new.
    private static readonly ImmutableArray<int> s_lstmGates = [0, 3, 1, 2];
    private static readonly ImmutableArray<int> s_gruGates = [1, 0, 2];

    /// <summary>The vectors of tokens.</summary>
    public static string Embedding(LayerContext layer)
    {
        OnnxGraph graph = layer.Graph;
        string tokens = graph.Node(
            "Cast", [layer.Input],
            OnnxGraph.Attribute("to", (long)TensorProto.Types.DataType.Int64));
        return graph.Node("Gather", [layer.AddParameter(0), tokens]);
    }

    /// <summary>Adds each position's vector.</summary>
    public static string PositionalEncoding(LayerContext layer)
    {
        var own = (PositionalEncodingLayer)layer.Layer;
        string table = own.Table.IsEmpty
            ? layer.AddParameter(0)
            : layer.Graph.Constant("table", own.Table.AsSpan(), layer.InputShape.AsSpan());
        return layer.Graph.Node("Add", [layer.Input, table]);
    }

    /// <summary>The last position, or the mean of all.</summary>
    public static string PositionPooling(LayerContext layer)
    {
        OnnxGraph graph = layer.Graph;
        var definition = layer.Definition<PositionPoolingDefinition>();
        RequireNoPadding(layer, definition.PaddingToken);
        return definition.Of == PoolingKind.Mean
            ? graph.Node(
                "ReduceMean", [layer.Input], OnnxGraph.Attribute("axes", [1L]),
                OnnxGraph.Attribute("keepdims", 0))
            : Squeezed(graph, LastOf(graph, layer.Input, layer.InputShape[0]), 1);
    }

    /// <summary>Turns queries and keys by their positions; values stay.</summary>
    public static string Rotary(LayerContext layer)
    {
        var heads = Heads.Of(layer);
        var own = (RotaryLayer)layer.Layer;
        OnnxGraph graph = layer.Graph;
        int turned = heads.Queries + heads.Shared, half = heads.Width / 2;
        string[] parts = Split(
            graph, layer.Input, 2, turned * heads.Width, heads.Shared * heads.Width);
        string vectors = graph.Reshape(parts[0], heads.Positions, turned, heads.Width);
        string[] pair = Split(graph, vectors, 3, half, half);
        string cosine = graph.Constant("cosine", own.Cosines, heads.Positions, 1, half);
        string sine = graph.Constant("sine", own.Sines, heads.Positions, 1, half);
        string first = graph.Node(
            "Sub",
            [graph.Node("Mul", [pair[0], cosine]), graph.Node("Mul", [pair[1], sine])]);
        string second = graph.Node(
            "Add",
            [graph.Node("Mul", [pair[1], cosine]), graph.Node("Mul", [pair[0], sine])]);
        string both = graph.Reshape(
            graph.Node("Concat", [first, second], OnnxGraph.Attribute("axis", 3)),
            heads.Positions, turned * heads.Width);
        return graph.Node("Concat", [both, parts[1]], OnnxGraph.Attribute("axis", 2));
    }

    /// <summary>The attention alone, of queries, keys and values side by side.</summary>
    public static string Attention(LayerContext layer)
    {
        var heads = Heads.Of(layer);
        OnnxGraph graph = layer.Graph;
        int shared = heads.Shared * heads.Width;
        string[] parts = Split(graph, layer.Input, 2, heads.Queries * heads.Width, shared, shared);
        string queries = graph.Transpose(
            graph.Reshape(parts[0], heads.Positions, heads.Queries, heads.Width), 0, 2, 1, 3);
        string keys = graph.Transpose(ForEachQuery(graph, parts[1], heads), 0, 1, 3, 2);
        string values = ForEachQuery(graph, parts[2], heads);
        string scores = graph.Node(
            "Mul",
            [
                graph.Node("MatMul", [queries, keys]),
                graph.Scalar("scale", (float)(1 / Math.Sqrt(heads.Width))),
            ]);
        var definition = layer.Definition<AttentionDefinition>();
        RequireNoPadding(layer, definition.PaddingToken);

        if (definition.IsCausal)
        {
            scores = graph.Node("Add", [scores, CausalMask(graph, heads.Positions)]);
        }

        string weights = graph.Node("Softmax", [scores], OnnxGraph.Attribute("axis", -1));
        string mixed = graph.Transpose(graph.Node("MatMul", [weights, values]), 0, 2, 1, 3);
        return graph.Reshape(mixed, heads.Positions, heads.Queries * heads.Width);
    }

    /// <summary>silu(a)·b, of a and b side by side.</summary>
    public static string SwiGlu(LayerContext layer)
    {
        int width = layer.OutputShape[^1];
        string[] parts = Split(
            layer.Graph, layer.Input, layer.InputShape.Length, width, width);
        return layer.Graph.Node("Mul", [OnnxLayers.Silu(layer.Graph, parts[0]), parts[1]]);
    }

    /// <summary>An LSTM or a GRU with the dense layer before it, which has passed its input on.
    /// </summary>
    public static string Recurrence(LayerContext layer)
    {
        var definition = layer.Definition<RecurrentDefinition>();
        bool isLstm = definition is LstmDefinition;
        ImmutableArray<int> order = isLstm ? s_lstmGates : s_gruGates;
        OnnxGraph graph = layer.Graph;
        int units = definition.Units, gates = order.Length * units;
        string name = layer.Layer.Name;
        float[] input = Ordered(layer, $"{name}.weight_ih_l0", order);
        float[] biases =
        [
            .. Ordered(layer, $"{name}.bias_ih_l0", order),
            .. Ordered(layer, $"{name}.bias_hh_l0", order),
        ];
        List<AttributeProto> attributes = [OnnxGraph.Attribute("hidden_size", units)];
        if (!isLstm)
        {
            attributes.Add(OnnxGraph.Attribute("linear_before_reset", 1));
        }

        string[] outputs = graph.Nodes(
            isLstm ? "LSTM" : "GRU",
            [
                graph.Transpose(layer.Input, 1, 0, 2),
                graph.Constant("W", input, 1, gates, input.Length / gates),
                graph.Constant(
                    "R", Ordered(layer, $"{name}.weight_hh_l0", order), 1, gates, units),
                graph.Constant("B", biases, 1, biases.Length),
            ],
            2, [.. attributes]);
        return definition.Return == RecurrentReturn.Last
            ? Squeezed(graph, outputs[1], 0)
            : graph.Transpose(Squeezed(graph, outputs[0], 1), 1, 0, 2);
    }

    private static float[] Ordered(LayerContext layer, string name, ImmutableArray<int> order)
    {
        (float[] values, _) = layer.Weights.OfTensor(name);
        int block = values.Length / order.Length;
        return [.. order.SelectMany(gate => values[(gate * block)..((gate + 1) * block)])];
    }

    // Heads of keys or values, each as often as queries share it: [batch, queries, positions,
    // width].
    private static string ForEachQuery(OnnxGraph graph, string part, Heads heads)
    {
        string shared = graph.Transpose(
            graph.Reshape(part, heads.Positions, heads.Shared, heads.Width), 0, 2, 1, 3);
        if (heads.Shared == heads.Queries)
        {
            return shared;
        }

        string apart = graph.Reshape(shared, heads.Shared, 1, heads.Positions, heads.Width);
        string tiled = graph.Node(
            "Tile",
            [apart, graph.Numbers("repeats", 1, 1, heads.Queries / heads.Shared, 1, 1)]);
        return graph.Reshape(tiled, heads.Queries, heads.Positions, heads.Width);
    }

    private static string CausalMask(OnnxGraph graph, int positions)
    {
        var mask = new float[positions * positions];
        for (int i = 0; i < mask.Length; i++)
        {
            mask[i] = i % positions > i / positions ? float.NegativeInfinity : 0;
        }

        return graph.Constant("mask", mask, positions, positions);
    }

    private static string[] Split(
        OnnxGraph graph, string value, int axis, params ReadOnlySpan<int> widths)
    {
        var sizes = new long[widths.Length];
        for (int i = 0; i < sizes.Length; i++)
        {
            sizes[i] = widths[i];
        }

        return graph.Nodes(
            "Split", [value, graph.Numbers("sizes", sizes)], sizes.Length,
            OnnxGraph.Attribute("axis", axis));
    }

    private static void RequireNoPadding(LayerContext layer, int? padding)
    {
        if (padding is not null)
        {
            throw new ModelException(
                $"{layer.Layer.Kind} '{layer.Layer.Name}' passes over padding (padding-token), "
                + "which cannot be written as ONNX");
        }
    }

    private static string LastOf(OnnxGraph graph, string value, int positions) => graph.Node(
        "Gather", [value, graph.Numbers("last", positions - 1)], OnnxGraph.Attribute("axis", 1));

    private static string Squeezed(OnnxGraph graph, string value, int axis) =>
        graph.Node("Squeeze", [value, graph.Numbers("axis", axis)]);

    private readonly record struct Heads(int Positions, int Queries, int Shared, int Width)
    {
        public static Heads Of(LayerContext layer)
        {
            var definition = layer.Definition<AttentionDefinition>();
            int queries = definition.Heads, shared = definition.KeyValueHeads ?? queries;
            return new Heads(
                layer.InputShape[0], queries, shared,
                layer.InputShape[1] / (queries + (2 * shared)));
        }
    }
}
