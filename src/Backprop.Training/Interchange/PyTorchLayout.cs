using System.Collections.Frozen;
using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Engine.Plugins;

namespace Backprop.Training.Interchange;

/// <summary>
/// A network's parameters as PyTorch's modules have them: by the names that its layers have in the
/// run, with the names of the module's own tensors behind them, outputs first, channels before
/// pixels. docs/interchange.md has the table.
/// </summary>
/// <remarks>A new layer with parameters adds its kind to <see cref="s_layers"/>.</remarks>
public static class PyTorchLayout
{
    private const int Weight = 0;
    private const int Bias = 1;

    private static readonly FrozenDictionary<string, LayerTensors> s_layers =
        new Dictionary<string, LayerTensors>
        {
            ["dense"] = OfDense,
            ["convolution-1d"] = OfConvolution,
            ["convolution-2d"] = OfConvolution,
            ["transposed-convolution-1d"] = OfTransposedConvolution,
            ["transposed-convolution-2d"] = OfTransposedConvolution,
            ["batch-normalization"] = OfNormalization,
            ["layer-normalization"] = OfNormalization,
            ["rms-normalization"] = OfNormalization,
            ["group-normalization"] = OfNormalization,
            ["embedding"] = AsTheyAre,
            ["positional-encoding"] = AsTheyAre,
            ["lstm"] = OfRecurrence,
            ["gru"] = OfRecurrence,
        }.ToFrozenDictionary();

    private delegate IEnumerable<StridedTensor> LayerTensors(
        NetworkNode node, ImageOrder order);

    /// <summary>The tensors of a network; together they have every parameter once, but for
    /// <see cref="StridedTensor.CopyOf"/>.</summary>
    /// <exception cref="NotSupportedException">A layer has no tensors in PyTorch; the message names
    /// it.</exception>
    public static ImmutableArray<StridedTensor> Of(Network network)
    {
        var order = FeatureOrder.Of(network);
        var tensors = ImmutableArray.CreateBuilder<StridedTensor>();
        for (int i = 0; i < network.Nodes.Length; i++)
        {
            NetworkNode node = network.Nodes[i];
            if (!node.Layer.Parameters.IsEmpty)
            {
                tensors.AddRange(Of(node, order[i]));
            }

            if (node.Owner is { } owner)
            {
                tensors.Add(Copy(node, network.Nodes[owner]));
            }
        }

        return tensors.ToImmutable();
    }

    /// <summary>The tensors of a layer that has parameters, whose rows are no flattened images.
    /// </summary>
    /// <exception cref="NotSupportedException">The layer has no tensors in PyTorch.</exception>
    public static IEnumerable<StridedTensor> Of(NetworkNode node) => Of(node, ImageOrder.None);

    private static IEnumerable<StridedTensor> Of(NetworkNode node, ImageOrder order) =>
        node.Layer is PluginLayer
            ? AsTheyAre(node, order)
            : s_layers.TryGetValue(node.Layer.Kind, out LayerTensors? of)
            ? of(node, order)
            : throw new NotSupportedException(
                $"layer '{node.Layer.Name}' is of the kind {node.Layer.Kind}, whose parameters"
                + " have no names and layouts for other programs");

    // The table of an embedding is just what PyTorch's Linear has for weights, [tokens, width].
    private static StridedTensor Copy(NetworkNode node, NetworkNode owner)
    {
        StridedTensor table = Of(owner).First();
        return table with { Name = $"{node.Layer.Name}.weight", CopyOf = table.Name };
    }

    // What a layer was taken apart into has the names that PyTorch's module has for the whole; for
    // blocks that are no modules there, those of Hugging Face's LLaMA.
    private static IEnumerable<StridedTensor> OfDense(
        NetworkNode node, ImageOrder order)
    {
        string owner = node.Origin?.Name ?? node.Layer.Name;
        return (node.Origin?.Definition, node.Layer.Name[owner.Length..]) switch
        {
            (RecurrentDefinition, ".input") =>
                Linear(node, order, $"{owner}.weight_ih_l0", $"{owner}.bias_ih_l0"),
            (AttentionDefinition attention, ".input") => Projections(node, attention, owner),
            (AttentionDefinition, ".output") =>
                Linear(node, order, $"{owner}.out_proj.weight", $"{owner}.out_proj.bias"),
            (SwiGluDefinition { Units: var units }, ".input") =>
                Parts(node, (owner + ".gate_proj", units), (owner + ".up_proj", units)),
            (SwiGluDefinition, ".output") =>
                Linear(node, order, $"{owner}.down_proj.weight", $"{owner}.down_proj.bias"),
            _ => Linear(
                node, order, $"{node.Layer.Name}.weight", $"{node.Layer.Name}.bias"),
        };
    }

    /// <summary>The weight and, where there is one, the bias of a dense layer, as
    /// <c>Linear</c>.</summary>
    internal static IEnumerable<StridedTensor> Linear(
        NetworkNode node, ImageOrder order, string weight, string bias)
    {
        (int inputs, int outputs) = SizeOf(node);
        (int[] rows, int[] rowOrder) = Dimensions(inputs, order.Input);
        (int[] columns, int[] columnOrder) = Dimensions(outputs, order.Output);
        yield return StridedTensor.Permuted(
            weight, [outputs, inputs], NameOf(node, Weight), [.. rows, .. columns],
            [.. columnOrder.Select(d => d + rows.Length), .. rowOrder]);
        if (node.Layer.Parameters.Length > Bias)
        {
            yield return StridedTensor.Permuted(
                bias, [outputs], NameOf(node, Bias), columns, columnOrder);
        }
    }

    // Numbers of a row: as they are, or by channels, rows and columns of an image.
    private static (int[] Dimensions, int[] Order) Dimensions(
        int count, ImmutableArray<int> image) =>
        image.IsEmpty ? ([count], [0]) : ([.. image], [2, 0, 1]);

    // As nn.MultiheadAttention has them, if there are as many heads of keys as of queries.
    private static IEnumerable<StridedTensor> Projections(
        NetworkNode node, AttentionDefinition attention, string owner)
    {
        int shared = attention.KeyValueHeads ?? attention.Heads;
        if (shared == attention.Heads)
        {
            return Linear(
                node, ImageOrder.None, $"{owner}.in_proj_weight", $"{owner}.in_proj_bias");
        }

        int width = SizeOf(node).Outputs / (attention.Heads + (2 * shared));
        return Parts(
            node, (owner + ".q_proj", attention.Heads * width),
            (owner + ".k_proj", shared * width), (owner + ".v_proj", shared * width));
    }

    /// <summary>The tensors of a dense layer whose outputs are several layers' side by side: of
    /// each its name and how many are its.</summary>
    internal static IEnumerable<StridedTensor> Parts(
        NetworkNode node, params (string Name, int Outputs)[] parts)
    {
        StridedTensor[] whole = [.. Linear(node, ImageOrder.None, "weight", "bias")];
        int first = 0;
        foreach ((string name, int outputs) in parts)
        {
            foreach (StridedTensor tensor in whole)
            {
                yield return tensor.Rows($"{name}.{tensor.Name}", first, outputs);
            }

            first += outputs;
        }
    }

    // [kernel, inputs / groups, filters] -> [filters, inputs / groups, kernel].
    private static IEnumerable<StridedTensor> OfConvolution(
        NetworkNode node, ImageOrder order)
    {
        ImmutableArray<int> from = node.Layer.Parameters[Weight].Shape.Dimensions;
        int taps = from.Length - 2;
        int[] there = [taps + 1, taps, .. Enumerable.Range(0, taps)];
        yield return StridedTensor.Permuted(
            $"{node.Layer.Name}.weight", [.. there.Select(d => from[d])], NameOf(node, Weight),
            from.AsSpan(), there);
        foreach (StridedTensor bias in AsTheyAre(node, order).Skip(1))
        {
            yield return bias;
        }
    }

    // [kernel, inputs / groups, groups · filters of one] -> [groups · inputs / groups, filters of
    // one, kernel].
    private static IEnumerable<StridedTensor> OfTransposedConvolution(
        NetworkNode node, ImageOrder order)
    {
        ImmutableArray<int> from = node.Layer.Parameters[Weight].Shape.Dimensions;
        int taps = from.Length - 2, inputs = from[^2], channels = node.Layer.InputShape.Dimensions
            is [_, _] && taps == 2 ? 1 : node.Layer.InputShape.Dimensions[^1];
        int groups = channels / inputs, filters = from[^1] / groups;
        yield return StridedTensor.Permuted(
            $"{node.Layer.Name}.weight", [channels, filters, .. from[..taps]],
            NameOf(node, Weight), [.. from[..taps], inputs, groups, filters],
            [taps + 1, taps, taps + 2, .. Enumerable.Range(0, taps)]);
        foreach (StridedTensor bias in AsTheyAre(node, order).Skip(1))
        {
            yield return bias;
        }
    }

    private static IEnumerable<StridedTensor> OfNormalization(
        NetworkNode node, ImageOrder order)
    {
        foreach (ParameterDeclaration parameter in node.Layer.Parameters)
        {
            string word = parameter.Name == "scale" ? "weight" : parameter.Name;
            string name = $"{node.Layer.Name}.{word}", own = $"{node.Layer.Name}.{parameter.Name}";
            ImmutableArray<int> shape = parameter.Shape.Dimensions;
            yield return (order.Input, shape) switch
            {
                // Of each number of an image, or of one that is flattened.
                (_, [int height, int width, int channels]) => StridedTensor.Permuted(
                    name, [channels, height, width], own, shape.AsSpan(), [2, 0, 1]),
                ([int height, int width, int channels], [_]) => StridedTensor.Permuted(
                    name, shape, own, [height, width, channels], [2, 0, 1]),
                _ => StridedTensor.Of(name, own, shape.AsSpan()),
            };
        }
    }

    // An LSTM's two biases are only ever added, and one here: the other is written as zeros.
    private static IEnumerable<StridedTensor> OfRecurrence(
        NetworkNode node, ImageOrder order)
    {
        string name = node.Layer.Name, bias = $"{name}.bias_hh_l0";
        ImmutableArray<int> shape = node.Layer.Parameters[Weight].Shape.Dimensions;
        int units = shape[0], gates = shape[1];
        yield return StridedTensor.Permuted(
            $"{name}.weight_hh_l0", [gates, units], NameOf(node, Weight), [units, gates], [1, 0]);
        yield return node.Layer.Parameters.Length > Bias
            ? StridedTensor.Of(bias, NameOf(node, Bias), [gates])
            : StridedTensor.Of(bias, $"{name}.input.bias", [gates]) with { IsAddend = true };
    }

    private static IEnumerable<StridedTensor> AsTheyAre(
        NetworkNode node, ImageOrder order) =>
        from parameter in node.Layer.Parameters
        let name = $"{node.Layer.Name}.{parameter.Name}"
        select StridedTensor.Of(name, name, parameter.Shape.Dimensions.AsSpan());

    private static (int Inputs, int Outputs) SizeOf(NetworkNode node)
    {
        ImmutableArray<int> shape = node.Layer.Parameters[Weight].Shape.Dimensions;
        return (shape[0], shape[1]);
    }

    private static string NameOf(NetworkNode node, int parameter) =>
        $"{node.Layer.Name}.{node.Layer.Parameters[parameter].Name}";
}
