using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Onnx;

namespace Backprop.Models.Onnx;

/// <summary>A graph of ONNX that grows node by node. Values are named as they come.</summary>
internal sealed class OnnxGraph
{
    private readonly GraphProto _graph = new();
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);

    /// <summary>What has been built.</summary>
    public GraphProto Proto => _graph;

    /// <summary>What names of values begin with: the layer that is being written.</summary>
    public string Scope { get; set; } = "";

    /// <summary>Adds a node of one output.</summary>
    /// <param name="type">The operator.</param>
    /// <param name="inputs">Names of values; empty: an optional one is left out.</param>
    /// <param name="attributes">Its attributes.</param>
    /// <returns>The output's name.</returns>
    public string Node(
        string type, ReadOnlySpan<string> inputs, params ReadOnlySpan<AttributeProto> attributes) =>
        Nodes(type, inputs, 1, attributes)[0];

    /// <summary>Adds a node of several outputs.</summary>
    public string[] Nodes(
        string type, ReadOnlySpan<string> inputs, int outputs,
        params ReadOnlySpan<AttributeProto> attributes)
    {
        var node = new NodeProto { OpType = type, Name = Unique(type) };
        foreach (string input in inputs)
        {
            node.Input.Add(input);
        }

        foreach (AttributeProto attribute in attributes)
        {
            node.Attribute.Add(attribute);
        }

        for (int i = 0; i < outputs; i++)
        {
            node.Output.Add(Unique(type + "_output"));
        }

        _graph.Node.Add(node);
        return [.. node.Output];
    }

    /// <summary>Gives a value another name.</summary>
    public void Name(string value, string name)
    {
        _names.Add(name);
        _graph.Node.Add(new NodeProto
        {
            OpType = "Identity",
            Name = Unique("Identity"),
            Input = { value },
            Output = { name },
        });
    }

    /// <summary>Adds a tensor of floats.</summary>
    /// <returns>Its name.</returns>
    public string Constant(
        string name, ReadOnlySpan<float> values, params ReadOnlySpan<int> shape) =>
        Constant(name, TensorProto.Types.DataType.Float, MemoryMarshal.AsBytes(values), shape);

    /// <summary>Adds a tensor of one dimension of whole numbers.</summary>
    /// <returns>Its name.</returns>
    public string Numbers(string name, params ReadOnlySpan<long> values) => Constant(
        name, TensorProto.Types.DataType.Int64, MemoryMarshal.AsBytes(values), [values.Length]);

    /// <summary>Adds a single float.</summary>
    /// <returns>Its name.</returns>
    public string Scalar(string name, float value) => Constant(name, [value]);

    /// <summary>Reads rows as rows of another shape; 0 leaves the batch as it is.</summary>
    public string Reshape(string value, params ReadOnlySpan<int> shape)
    {
        var dimensions = new long[shape.Length + 1];
        for (int i = 0; i < shape.Length; i++)
        {
            dimensions[i + 1] = shape[i];
        }

        return Node("Reshape", [value, Numbers("shape", dimensions)]);
    }

    /// <summary>Puts dimensions, the batch included, in another order.</summary>
    public string Transpose(string value, params ReadOnlySpan<long> order) =>
        Node("Transpose", [value], Attribute("perm", order));

    /// <summary>An attribute of whole numbers.</summary>
    public static AttributeProto Attribute(string name, ReadOnlySpan<long> values)
    {
        var attribute = new AttributeProto
        {
            Name = name,
            Type = AttributeProto.Types.AttributeType.Ints,
        };
        foreach (long value in values)
        {
            attribute.Ints.Add(value);
        }

        return attribute;
    }

    /// <summary>An attribute of a whole number.</summary>
    public static AttributeProto Attribute(string name, long value) => new()
    {
        Name = name,
        Type = AttributeProto.Types.AttributeType.Int,
        I = value,
    };

    /// <summary>An attribute of a float.</summary>
    public static AttributeProto Attribute(string name, float value) => new()
    {
        Name = name,
        Type = AttributeProto.Types.AttributeType.Float,
        F = value,
    };

    /// <summary>An attribute of a word.</summary>
    public static AttributeProto Attribute(string name, string value) => new()
    {
        Name = name,
        Type = AttributeProto.Types.AttributeType.String,
        S = ByteString.CopyFromUtf8(value),
    };

    private string Constant(
        string name, TensorProto.Types.DataType type, ReadOnlySpan<byte> bytes,
        ReadOnlySpan<int> shape)
    {
        if (!BitConverter.IsLittleEndian)
        {
            throw new PlatformNotSupportedException("ONNX files need little-endian numbers");
        }

        var tensor = new TensorProto
        {
            Name = Unique(name),
            DataType = (int)type,
            RawData = ByteString.CopyFrom(bytes),
        };
        foreach (int dimension in shape)
        {
            tensor.Dims.Add(dimension);
        }

        _graph.Initializer.Add(tensor);
        return tensor.Name;
    }

    private string Unique(string name)
    {
        string scoped = Scope.Length == 0 ? name : $"{Scope}/{name}", unique = scoped;
        for (int i = 2; !_names.Add(unique); i++)
        {
            unique = string.Create(CultureInfo.InvariantCulture, $"{scoped}_{i}");
        }

        return unique;
    }
}
