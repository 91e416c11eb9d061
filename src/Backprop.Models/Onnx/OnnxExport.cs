using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Google.Protobuf;
using Onnx;

namespace Backprop.Models.Onnx;

/// <summary>
/// Writes a model as a graph of ONNX: from unprepared features, [batch, input shape], to what the
/// network gives and to what <c>backprop predict</c> makes of it.
/// </summary>
internal static class OnnxExport
{
    /// <summary>The version of the standard operators that is used.</summary>
    public const int Opset = 17;

    /// <summary>The input of samples.</summary>
    public const string Features = "features";

    /// <summary>The network's own output.</summary>
    public const string Output = "output";

    /// <summary>Probabilities of classes, or values in their own units.</summary>
    public const string Predicted = "prediction";

    // The version of the file format that came with that of the operators.
    private const int IrVersion = 8;
    private const string Batch = "batch";

    /// <summary>Writes a model.</summary>
    /// <exception cref="ModelException">A layer has no equivalent, or the file would be larger than
    /// protocol buffers may be.</exception>
    public static void Write(Model model, Stream destination)
    {
        long bytes = model.Network.Layout.Count * sizeof(float) * model.Members.Length;
        if (bytes > int.MaxValue)
        {
            throw new ModelException(
                $"'{model.Source}' has weights of {bytes:N0} bytes; an ONNX file has at most "
                + $"{int.MaxValue:N0}: write it as safetensors");
        }

        Build(model).WriteTo(destination);
    }

    /// <summary>The model as ONNX has it.</summary>
    public static ModelProto Build(Model model)
    {
        Network network = model.Network;
        var graph = new OnnxGraph { Proto = { Name = model.Header.Name } };
        ImmutableDictionary<string, string> inputs = Inputs(graph, model);
        string[][] members =
            [.. model.Members.Select((_, member) => Compute(graph, model, member, inputs))];
        ImmutableArray<ModelOutput> outputs = model.OutputsOf(network);
        for (int i = 0; i < outputs.Length; i++)
        {
            string own = outputs[i].Name;
            int node = network.Outputs[i].Node;
            graph.Scope = own;
            (string output, string prediction, ImmutableArray<int> shape) =
                new OnnxOutputs(graph, outputs[i]).Of([.. members.Select(values => values[node])]);
            Add(graph, output, NameOf(own, Output), outputs[i].Shape.Dimensions);
            Add(graph, prediction, NameOf(own, Predicted), shape);
        }

        return new ModelProto
        {
            IrVersion = IrVersion,
            ProducerName = "backprop",
            ProducerVersion = typeof(Model).Assembly.GetName().Version?.ToString(3) ?? "",
            OpsetImport = { new OperatorSetIdProto { Domain = "", Version = Opset } },
            Graph = graph.Proto,
            MetadataProps =
            {
                Text("targets", JsonSerializer.Serialize(model.TargetNames)),
                Text("has-classes", model.Header.HasClasses ? "true" : "false"),
                Text("features", JsonSerializer.Serialize(model.Header.FeatureNames)),
                model.Header.Outputs is { } named
                    ? [Text("outputs", JsonSerializer.Serialize(named.Select(output => new
                    {
                        name = output.Name,
                        targets = output.TargetNames,
                        hasClasses = output.HasClasses,
                    })))]
                    : (StringStringEntryProto[])[],
            },
        };
    }

    // Of outputs with names: digit.output, digit.prediction.
    private static string NameOf(string output, string what) =>
        output.Length == 0 ? what : $"{output}.{what}";

    private static void Add(
        OnnxGraph graph, string value, string name, ImmutableArray<int> shape)
    {
        graph.Name(value, name);
        graph.Proto.Output.Add(Value(name, false, shape));
    }

    // The graph's inputs, and what is prepared of each: the samples, or those that are named.
    private static ImmutableDictionary<string, string> Inputs(OnnxGraph graph, Model model)
    {
        Network network = model.Network;
        var prepared = ImmutableDictionary.CreateBuilder<string, string>();
        if (network.Inputs.IsEmpty)
        {
            bool isOfTokens = network.Nodes is [{ Layer.Kind: "embedding" }, ..];
            graph.Proto.Input.Add(Value(Features, isOfTokens, network.InputShape.Dimensions));
            prepared[""] = isOfTokens
                ? Features
                : Prepare(graph, model.Preparation, Features, network.InputShape);
            return prepared.ToImmutable();
        }

        foreach (NetworkInput input in network.Inputs)
        {
            bool isOfTokens = IsOfTokens(network, input);
            graph.Proto.Input.Add(Value(input.Name, isOfTokens, input.Shape.Dimensions));
            prepared[input.Name] = isOfTokens
                ? input.Name
                : Prepare(
                    graph, model.Preparation.OfFeatures(input.Features), input.Name, input.Shape);
        }

        return prepared.ToImmutable();
    }

    private static bool IsOfTokens(Network network, NetworkInput input)
    {
        bool[] readers =
        [
            .. from node in network.Nodes
               where node.Input >= 0 && network.Nodes[node.Input].Layer is InputLayer reader
                   && reader.Input == input
               select node.Layer.Kind == "embedding",
        ];
        return readers.Distinct().Count() < 2
            ? readers.Contains(true)
            : throw new ModelException(
                $"input '{input.Name}' is read as tokens by one layer and as numbers by another, "
                + "and has one type in ONNX: name it twice");
    }

    private static string[] Compute(
        OnnxGraph graph, Model model, int member, ImmutableDictionary<string, string> inputs)
    {
        Network network = model.Network;
        var weights = new MemberWeights(network, model.Members[member]);
        string prefix = model.Members.Length == 1 ? "" : $"members.{member}.";
        var values = new string[network.Nodes.Length];
        for (int i = 0; i < values.Length; i++)
        {
            NetworkNode node = network.Nodes[i];
            graph.Scope = prefix + node.Layer.Name;
            string? skip = node.Skip is int source ? ValueOf(source) : null;
            values[i] = node.Layer is InputLayer layer
                ? inputs[layer.Input.Name]
                : OnnxLayers.Write(
                    new LayerContext(graph, node, ValueOf(node.Input), skip, weights));
        }

        return values;

        string ValueOf(int node) => node < 0 ? inputs[""] : values[node];
    }

    // What is missing is filled, then y = (x − offset) / spread; 0 where the spread is.
    private static string Prepare(
        OnnxGraph graph, DataPreparation preparation, string value, Shape row)
    {
        ImmutableArray<int> shape = row.Dimensions;
        graph.Scope = value == Features ? "preparation" : $"preparation.{value}";
        if (!preparation.Missing.Values.IsEmpty)
        {
            value = graph.Node(
                "Where",
                [
                    graph.Node("IsNaN", [value]),
                    graph.Constant(
                        "missing", preparation.Missing.Values.AsSpan(), shape.AsSpan()),
                    value,
                ]);
        }

        Normalization scale = preparation.Features;
        if (scale.Offsets.IsEmpty)
        {
            return value;
        }

        ReadOnlySpan<int> each = scale.Offsets.Length == 1 ? [1] : shape.AsSpan();
        string offset = graph.Constant("offset", scale.Offsets.AsSpan(), each);
        string spread = graph.Constant(
            "spread", [.. scale.Spreads.Select(s => s == 0 ? 1 : s)], each);
        value = graph.Node("Div", [graph.Node("Sub", [value, offset]), spread]);
        return scale.Spreads.Contains(0)
            ? graph.Node(
                "Mul",
                [
                    value, graph.Constant(
                        "varies", [.. scale.Spreads.Select(s => s == 0 ? 0f : 1f)], each),
                ])
            : value;
    }

    private static ValueInfoProto Value(
        string name, bool isOfTokens, ImmutableArray<int> dimensions)
    {
        var shape = new TensorShapeProto();
        shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimParam = Batch });
        foreach (int dimension in dimensions)
        {
            shape.Dim.Add(new TensorShapeProto.Types.Dimension { DimValue = dimension });
        }

        TensorProto.Types.DataType type = isOfTokens
            ? TensorProto.Types.DataType.Int64
            : TensorProto.Types.DataType.Float;
        return new ValueInfoProto
        {
            Name = name,
            Type = new TypeProto
            {
                TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = shape },
            },
        };
    }

    private static StringStringEntryProto Text(string key, string value) =>
        new() { Key = key, Value = value };
}
