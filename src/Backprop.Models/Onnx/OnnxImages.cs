using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Onnx;

namespace Backprop.Models.Onnx;

/// <summary>Layers over images and sequences as nodes of ONNX, whose operators have channels
/// first: they are moved there, and back.</summary>
internal static class OnnxImages
{
    /// <summary>A convolution, or its transpose.</summary>
    public static string Convolution(LayerContext layer)
    {
        var definition = layer.Definition<ConvolutionDefinition>();
        var own = (ConvolutionLayer)layer.Layer;
        int dimensions = definition.Dimensions;
        (float[] weight, ImmutableArray<int> shape) =
            layer.Weights.OfTensor($"{own.Name}.weight");
        OnnxGraph graph = layer.Graph;
        List<string> inputs =
        [
            ChannelsFirst(layer, dimensions), graph.Constant("weight", weight, shape.AsSpan()),
        ];
        if (own.Parameters.Length > 1)
        {
            inputs.Add(layer.AddParameter(1));
        }

        List<AttributeProto> attributes =
        [
            Of("kernel_shape", definition.Kernel, dimensions),
            Of("strides", definition.Stride, dimensions),
            Of("dilations", definition.Dilation, dimensions),
            Pads(own.PaddingBefore, own.PaddingAfter, dimensions),
            OnnxGraph.Attribute("group", definition.Groups),
        ];
        if (definition.IsTransposed)
        {
            attributes.Add(OutputPadding(layer, definition, own));
        }

        string output = graph.Node(
            definition.IsTransposed ? "ConvTranspose" : "Conv", [.. inputs], [.. attributes]);
        return ChannelsLast(graph, output, dimensions);
    }

    /// <summary>The largest value, or the mean, of each window.</summary>
    public static string Pooling(LayerContext layer)
    {
        var definition = layer.Definition<PoolingDefinition>();
        var own = (PoolingLayer)layer.Layer;
        int dimensions = definition.Dimensions;
        string output = layer.Graph.Node(
            definition.Rule == PoolingRule.Max ? "MaxPool" : "AveragePool",
            [ChannelsFirst(layer, dimensions)],
            Of("kernel_shape", definition.Size, dimensions),
            Of("strides", definition.Stride ?? definition.Size, dimensions),
            Pads(own.PaddingBefore, own.PaddingAfter, dimensions));
        return ChannelsLast(layer.Graph, output, dimensions);
    }

    /// <summary>The largest value, or the mean, of each channel.</summary>
    public static string GlobalPooling(LayerContext layer)
    {
        bool isMax = layer.Definition<GlobalPoolingDefinition>().Rule == PoolingRule.Max;
        long[] axes =
            [.. Enumerable.Range(1, layer.InputShape.Length - 1).Select(axis => (long)axis)];
        return layer.Graph.Node(
            isMax ? "ReduceMax" : "ReduceMean", [layer.Input],
            OnnxGraph.Attribute("axes", axes), OnnxGraph.Attribute("keepdims", 0));
    }

    /// <summary>Every pixel several times: a dimension of its own, tiled; or what lies between
    /// pixels.</summary>
    public static string Upsampling(LayerContext layer)
    {
        var definition = layer.Definition<UpsamplingDefinition>();
        if (definition.Interpolation != Interpolation.Nearest)
        {
            return Interpolated(layer, definition);
        }

        Extent factor = definition.Factor;
        ImmutableArray<int> shape = layer.OutputShape;
        int channels = shape[^1];
        OnnxGraph graph = layer.Graph;
        (int[] apart, long[] repeats) = definition.Dimensions == 1
            ? ((int[])[shape[0] / factor.Width, 1, channels], (long[])[1, 1, factor.Width, 1])
            : ([shape[0] / factor.Height, 1, shape[1] / factor.Width, 1, channels],
                [1, 1, factor.Height, 1, factor.Width, 1]);
        string tiled = graph.Node(
            "Tile", [graph.Reshape(layer.Input, apart), graph.Numbers("repeats", repeats)]);
        return graph.Reshape(tiled, shape.AsSpan());
    }

    // A sequence is an image of one row, since Resize knows lines in two directions or none.
    private static string Interpolated(LayerContext layer, UpsamplingDefinition definition)
    {
        OnnxGraph graph = layer.Graph;
        ImmutableArray<int> input = layer.InputShape, output = layer.OutputShape;
        (int height, int width) = definition.Dimensions == 1 ? (1, input[0]) : (input[0], input[1]);
        int channels = input.Length > 1 + (definition.Dimensions - 1) ? input[^1] : 1;
        string first = graph.Transpose(
            graph.Reshape(layer.Input, height, width, channels), 0, 3, 1, 2);
        string scales = graph.Constant(
            "scales", [1, 1, definition.Factor.Height, definition.Factor.Width], 4);
        bool alignsCorners = definition.Interpolation == Interpolation.LinearCorners;
        string resized = graph.Node(
            "Resize", [first, "", scales],
            OnnxGraph.Attribute("mode", "linear"),
            OnnxGraph.Attribute(
                "coordinate_transformation_mode",
                alignsCorners ? "align_corners" : "half_pixel"));
        return graph.Reshape(graph.Transpose(resized, 0, 2, 3, 1), output.AsSpan());
    }

    private static string ChannelsFirst(LayerContext layer, int dimensions)
    {
        OnnxGraph graph = layer.Graph;
        return (dimensions, layer.InputShape) switch
        {
            (1, _) => graph.Transpose(layer.Input, 0, 2, 1),
            (_, [int height, int width]) => graph.Reshape(layer.Input, 1, height, width),
            _ => graph.Transpose(layer.Input, 0, 3, 1, 2),
        };
    }

    private static string ChannelsLast(OnnxGraph graph, string value, int dimensions) =>
        dimensions == 1
            ? graph.Transpose(value, 0, 2, 1)
            : graph.Transpose(value, 0, 2, 3, 1);

    private static AttributeProto Of(string name, Extent extent, int dimensions) =>
        OnnxGraph.Attribute(
            name, dimensions == 1 ? [extent.Width] : [extent.Height, extent.Width]);

    private static AttributeProto Pads(Extent before, Extent after, int dimensions) =>
        OnnxGraph.Attribute("pads", dimensions == 1
            ? [before.Width, after.Width]
            : [before.Height, before.Width, after.Height, after.Width]);

    // What the output has beyond the windows: pixels that none of them sees.
    private static AttributeProto OutputPadding(
        LayerContext layer, ConvolutionDefinition definition, ConvolutionLayer own)
    {
        ImmutableArray<int> small = layer.InputShape, large = layer.OutputShape;
        Extent kernel = definition.Kernel, stride = definition.Stride;
        Extent before = own.PaddingBefore, after = own.PaddingAfter;
        int width = definition.Dimensions == 1 ? 0 : 1;
        int right = Beyond(
            small[width], large[width], kernel.Width, stride.Width, definition.Dilation.Width,
            before.Width + after.Width);
        return OnnxGraph.Attribute("output_padding", definition.Dimensions == 1
            ? [right]
            :
            [
                Beyond(
                    small[0], large[0], kernel.Height, stride.Height, definition.Dilation.Height,
                    before.Height + after.Height),
                right,
            ]);
    }

    private static int Beyond(
        int small, int large, int kernel, int stride, int dilation, int padding) =>
        large - ((stride * (small - 1)) + ((kernel - 1) * dilation) + 1 - padding);
}
