using System.Collections.Frozen;
using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Plugins;

namespace Backprop.Models.Onnx;

/// <summary>Layers as nodes of ONNX. Values are [batch, shape of a row], as the network has them;
/// images' channels lie last between layers.</summary>
/// <remarks>A new layer adds its kind to <see cref="s_layers"/>.</remarks>
internal static class OnnxLayers
{
    private const float InverseSqrtTwo = 0.707106781f;
    private const float TanhGeluLinear = 1.59576912f;
    private const float TanhGeluCubic = 0.0713548163f;

    private static readonly FrozenDictionary<string, Func<LayerContext, string>> s_layers =
        new Dictionary<string, Func<LayerContext, string>>
        {
            ["dense"] = Dense,
            ["sigmoid"] = layer => layer.Graph.Node("Sigmoid", [layer.Input]),
            ["tanh"] = layer => layer.Graph.Node("Tanh", [layer.Input]),
            ["relu"] = layer => layer.Graph.Node("Relu", [layer.Input]),
            ["leaky-relu"] = LeakyRelu,
            ["gelu"] = Gelu,
            ["silu"] = layer => Silu(layer.Graph, layer.Input),
            ["softmax"] = Softmax,
            ["dropout"] = layer => layer.Input,
            ["flatten"] = View,
            ["reshape"] = View,
            ["residual"] = layer => layer.Graph.Node("Add", [layer.Input, layer.Skip!]),
            ["concatenation"] = layer => layer.Graph.Node(
                "Concat", [layer.Skip!, layer.Input], OnnxGraph.Attribute("axis", -1)),
            ["batch-normalization"] = OnnxNormalization.Batch,
            ["layer-normalization"] = OnnxNormalization.OfRows,
            ["rms-normalization"] = OnnxNormalization.RootMeanSquare,
            ["group-normalization"] = OnnxNormalization.Group,
            ["convolution-1d"] = OnnxImages.Convolution,
            ["convolution-2d"] = OnnxImages.Convolution,
            ["transposed-convolution-1d"] = OnnxImages.Convolution,
            ["transposed-convolution-2d"] = OnnxImages.Convolution,
            ["max-pooling-1d"] = OnnxImages.Pooling,
            ["max-pooling-2d"] = OnnxImages.Pooling,
            ["average-pooling-1d"] = OnnxImages.Pooling,
            ["average-pooling-2d"] = OnnxImages.Pooling,
            ["global-max-pooling"] = OnnxImages.GlobalPooling,
            ["global-average-pooling"] = OnnxImages.GlobalPooling,
            ["upsampling-1d"] = OnnxImages.Upsampling,
            ["upsampling-2d"] = OnnxImages.Upsampling,
            ["embedding"] = OnnxSequences.Embedding,
            ["positional-encoding"] = OnnxSequences.PositionalEncoding,
            ["position-pooling"] = OnnxSequences.PositionPooling,
            ["rotary"] = OnnxSequences.Rotary,
            ["attention"] = OnnxSequences.Attention,
            ["swiglu"] = OnnxSequences.SwiGlu,
            ["lstm"] = OnnxSequences.Recurrence,
            ["gru"] = OnnxSequences.Recurrence,
        }.ToFrozenDictionary();

    /// <summary>Kinds of layers that can be written.</summary>
    public static ImmutableArray<string> Kinds => s_layers.Keys;

    /// <summary>Writes a layer.</summary>
    /// <returns>Its output.</returns>
    /// <exception cref="ModelException">There are no nodes for such a layer; the message names it.
    /// </exception>
    public static string Write(LayerContext layer) =>
        layer.Layer is PluginLayer own
            ? throw new ModelException(
                $"layer '{own.Name}' is of the kind {own.Kind} of plug-in {own.Plugin.File}, which "
                + "ONNX has no operators for: write the model as safetensors")
            : s_layers.TryGetValue(layer.Layer.Kind, out Func<LayerContext, string>? write)
            ? write(layer)
            : throw new ModelException(
                $"layer '{layer.Layer.Name}' is of the kind {layer.Layer.Kind}, which cannot be "
                + "written as ONNX");

    /// <summary>x·σ(x).</summary>
    public static string Silu(OnnxGraph graph, string x) =>
        graph.Node("Mul", [x, graph.Node("Sigmoid", [x])]);

    // What a recurrence adds to its gates is part of ONNX's own operator.
    private static string Dense(LayerContext layer)
    {
        if (layer.Node.Origin?.Definition is RecurrentDefinition)
        {
            return layer.Input;
        }

        if (layer.Layer is TiedDenseLayer)
        {
            return layer.Graph.Node(
                "MatMul", [layer.Input, layer.Graph.Transpose(layer.AddShared(), 1, 0)]);
        }

        string product = layer.Graph.Node("MatMul", [layer.Input, layer.AddParameter(0)]);
        return layer.Layer.Parameters.Length > 1
            ? layer.Graph.Node("Add", [product, layer.AddParameter(1)])
            : product;
    }

    private static string LeakyRelu(LayerContext layer)
    {
        float slope =
            (ActivationOf(layer) as LeakyReluDefinition ?? new LeakyReluDefinition()).Slope;
        return layer.Graph.Node(
            "LeakyRelu", [layer.Input], OnnxGraph.Attribute("alpha", slope));
    }

    private static ActivationDefinition? ActivationOf(LayerContext layer) =>
        layer.Node.Origin?.Definition switch
        {
            DenseDefinition dense => dense.Activation,
            ConvolutionDefinition convolution => convolution.Activation,
            var own => own as ActivationDefinition,
        };

    // x·(0.5·erf(x / √2) + 0.5), or x·σ(x·(1.59… + 0.071…·x²)).
    private static string Gelu(LayerContext layer)
    {
        OnnxGraph graph = layer.Graph;
        if (ActivationOf(layer) is GeluDefinition { Approximation: GeluApproximation.Tanh })
        {
            string square = graph.Node("Mul", [layer.Input, layer.Input]);
            string polynomial = graph.Node(
                "Add",
                [
                    graph.Node("Mul", [square, graph.Scalar("cubic", TanhGeluCubic)]),
                    graph.Scalar("linear", TanhGeluLinear),
                ]);
            return graph.Node(
                "Mul",
                [
                    layer.Input,
                    graph.Node("Sigmoid", [graph.Node("Mul", [layer.Input, polynomial])]),
                ]);
        }

        string half = graph.Scalar("half", 0.5f);
        string erf = graph.Node(
            "Erf", [graph.Node("Mul", [layer.Input, graph.Scalar("scale", InverseSqrtTwo)])]);
        string distribution = graph.Node("Add", [graph.Node("Mul", [erf, half]), half]);
        return graph.Node("Mul", [layer.Input, distribution]);
    }

    // Of a whole row, or of each position of a sequence.
    private static string Softmax(LayerContext layer)
    {
        OnnxGraph graph = layer.Graph;
        if (layer.InputShape.Length <= 2)
        {
            return graph.Node("Softmax", [layer.Input], OnnxGraph.Attribute("axis", -1));
        }

        string row = graph.Reshape(layer.Input, layer.Layer.InputShape.Count);
        return graph.Reshape(
            graph.Node("Softmax", [row], OnnxGraph.Attribute("axis", -1)),
            layer.InputShape.AsSpan());
    }

    private static string View(LayerContext layer) =>
        layer.Graph.Reshape(layer.Input, layer.OutputShape.AsSpan());
}
