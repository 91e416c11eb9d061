using System.Collections.Immutable;
using System.Text.Json;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Losses;
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
        bool isOfTokens = network.Nodes is [{ Layer.Kind: "embedding" }, ..];
        var graph = new OnnxGraph { Proto = { Name = model.Header.Name } };
        graph.Proto.Input.Add(Value(Features, isOfTokens, network.InputShape.Dimensions));
        string prepared = isOfTokens ? Features : Prepare(graph, model);
        string[] outputs =
            [.. model.Members.Select((_, member) => Compute(graph, model, member, prepared))];
        graph.Scope = "";
        (string output, string prediction, ImmutableArray<int> shape) =
            new OnnxOutputs(graph, model).Of(outputs);
        graph.Name(output, Output);
        graph.Name(prediction, Predicted);
        graph.Proto.Output.Add(Value(Output, false, network.OutputShape.Dimensions));
        graph.Proto.Output.Add(Value(Predicted, false, shape));
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
            },
        };
    }

    private static string Compute(OnnxGraph graph, Model model, int member, string input)
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
            values[i] = OnnxLayers.Write(
                new LayerContext(graph, node, ValueOf(node.Input), skip, weights));
        }

        return values.Length == 0 ? input : values[^1];

        string ValueOf(int node) => node < 0 ? input : values[node];
    }

    // What is missing is filled, then y = (x − offset) / spread; 0 where the spread is.
    private static string Prepare(OnnxGraph graph, Model model)
    {
        DataPreparation preparation = model.Preparation;
        ImmutableArray<int> shape = model.Network.InputShape.Dimensions;
        string value = Features;
        graph.Scope = "preparation";
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
