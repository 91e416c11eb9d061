using Backprop.Engine.Layers;

namespace Backprop.Models.Onnx;

/// <summary>Normalization as nodes of ONNX.</summary>
internal static class OnnxNormalization
{
    private const int Scale = 0;
    private const int Bias = 1;
    private const int RunningMean = 2;
    private const int RunningVariance = 3;

    /// <summary>x·a + b, with running statistics, scale and bias in one.</summary>
    public static string Batch(LayerContext layer)
    {
        float epsilon = layer.Definition<BatchNormalizationDefinition>().Epsilon;
        ReadOnlySpan<float> scale = layer.Parameter(Scale), bias = layer.Parameter(Bias);
        ReadOnlySpan<float> mean = layer.Parameter(RunningMean);
        ReadOnlySpan<float> variance = layer.Parameter(RunningVariance);
        var factors = new float[scale.Length];
        for (int i = 0; i < factors.Length; i++)
        {
            factors[i] = (float)(scale[i] / Math.Sqrt((double)variance[i] + epsilon));
        }

        OnnxGraph graph = layer.Graph;
        string centered = graph.Node(
            "Sub", [layer.Input, graph.Constant("mean", mean, mean.Length)]);
        string scaled = graph.Node(
            "Mul", [centered, graph.Constant("factor", factors, factors.Length)]);
        return graph.Node("Add", [scaled, graph.Constant("bias", bias, bias.Length)]);
    }

    /// <summary>Over each row, or each position of a sequence.</summary>
    public static string OfRows(LayerContext layer)
    {
        float epsilon = layer.Definition<LayerNormalizationDefinition>().Epsilon;
        OnnxGraph graph = layer.Graph;
        int[] shape = layer.IsSequence ? [layer.InputShape[^1]] : [.. layer.InputShape];
        string scale, bias = "";
        if (layer.Layer.Parameters.IsEmpty)
        {
            var ones = new float[shape.Aggregate(1, (product, d) => product * d)];
            Array.Fill(ones, 1);
            scale = graph.Constant("scale", ones, shape);
        }
        else
        {
            scale = layer.AddParameter(Scale);
            bias = layer.AddParameter(Bias);
        }

        return graph.Node(
            "LayerNormalization",
            bias.Length == 0 ? [layer.Input, scale] : [layer.Input, scale, bias],
            OnnxGraph.Attribute("axis", -shape.Length), OnnxGraph.Attribute("epsilon", epsilon));
    }

    /// <summary>x / √(mean of x² + ε), scaled.</summary>
    public static string RootMeanSquare(LayerContext layer)
    {
        float epsilon = layer.Definition<RmsNormalizationDefinition>().Epsilon;
        OnnxGraph graph = layer.Graph;
        int first = layer.IsSequence ? 2 : 1;
        long[] axes =
            [.. Enumerable.Range(first, layer.InputShape.Length - first + 1).Select(a => (long)a)];
        string square = graph.Node("Mul", [layer.Input, layer.Input]);
        string normalized = graph.Node(
            "Div", [layer.Input, Deviation(graph, square, epsilon, axes)]);
        return layer.Layer.Parameters.IsEmpty
            ? normalized
            : graph.Node("Mul", [normalized, layer.AddParameter(Scale)]);
    }

    /// <summary>Over the positions and channels of each group.</summary>
    public static string Group(LayerContext layer)
    {
        var definition = layer.Definition<GroupNormalizationDefinition>();
        OnnxGraph graph = layer.Graph;
        int channels = layer.InputShape[^1];
        string groups = graph.Reshape(
            layer.Input, layer.Layer.InputShape.Count / channels, definition.Groups,
            channels / definition.Groups);
        long[] axes = [1, 3];
        string mean = graph.Node("ReduceMean", [groups], OnnxGraph.Attribute("axes", axes));
        string centered = graph.Node("Sub", [groups, mean]);
        string square = graph.Node("Mul", [centered, centered]);
        string normalized = graph.Reshape(
            graph.Node("Div", [centered, Deviation(graph, square, definition.Epsilon, axes)]),
            layer.InputShape.AsSpan());
        return layer.Layer.Parameters.IsEmpty
            ? normalized
            : graph.Node(
                "Add",
                [
                    graph.Node("Mul", [normalized, layer.AddParameter(Scale)]),
                    layer.AddParameter(Bias),
                ]);
    }

    private static string Deviation(
        OnnxGraph graph, string square, float epsilon, ReadOnlySpan<long> axes)
    {
        string mean = graph.Node("ReduceMean", [square], OnnxGraph.Attribute("axes", axes));
        return graph.Node(
            "Sqrt", [graph.Node("Add", [mean, graph.Scalar("epsilon", epsilon)])]);
    }
}
