using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>The image, [height, width, channels], that rows of numbers are flattened from; empty:
/// their order is the same everywhere.</summary>
/// <param name="Input">Of a layer's input rows.</param>
/// <param name="Output">Of its output rows.</param>
internal readonly record struct ImageOrder(
    ImmutableArray<int> Input, ImmutableArray<int> Output)
{
    /// <summary>The same order everywhere.</summary>
    public static ImageOrder None { get; } = new([], []);
}

/// <summary>
/// Which rows of numbers are flattened images. Here an image's channels lie last, in PyTorch they
/// come first, so that the same flattened image has its numbers in another order there, and a
/// dense layer after it has its weights so. Where such rows are added to those of a dense layer,
/// its outputs are in that order too.
/// </summary>
internal sealed class FeatureOrder
{
    // What treats every number of a row alike, or by parameters of its own.
    private static readonly ImmutableHashSet<string> s_keepsOrder =
    [
        "sigmoid", "tanh", "relu", "leaky-relu", "gelu", "silu", "softmax", "dropout",
        "batch-normalization", "layer-normalization", "rms-normalization", "group-normalization",
    ];

    private static readonly ImmutableHashSet<string> s_slidesOverSequences =
    [
        "convolution-1d", "transposed-convolution-1d", "max-pooling-1d", "average-pooling-1d",
        "upsampling-1d",
    ];

    private readonly Network _network;

    // What dense layers' outputs are flattened images of, because they are added to one.
    private readonly Dictionary<int, ImmutableArray<int>> _dense = [];
    private ImmutableArray<ImmutableArray<int>> _outputs = [];

    private FeatureOrder(Network network) => _network = network;

    /// <summary>Of a network.</summary>
    /// <exception cref="NotSupportedException">A residual sum adds a flattened image to what can be
    /// none, or branches put one beside other numbers: no order of the numbers is right for both.
    /// </exception>
    public static FeatureOrder Of(Network network)
    {
        var order = new FeatureOrder(network);

        // Every round gives another dense layer its order.
        while (!order.TryFollow())
        {
        }

        return order;
    }

    /// <summary>A node's orders.</summary>
    public ImageOrder this[int node] => new(
        OutputOf(_outputs, _network.Nodes[node].Input), _outputs[node]);

    private static ImmutableArray<int> OutputOf(
        IReadOnlyList<ImmutableArray<int>> outputs, int node) => node < 0 ? [] : outputs[node];

    // False: a dense layer has been given an order, and what was found is to be found anew.
    private bool TryFollow()
    {
        ImmutableArray<NetworkNode> nodes = _network.Nodes;
        var outputs = new List<ImmutableArray<int>>(nodes.Length);
        var isChannelsFirst = new bool[nodes.Length];
        for (int i = 0; i < nodes.Length; i++)
        {
            (Layer layer, int input, int? skip) = nodes[i];
            ImmutableArray<int> before = OutputOf(outputs, input);
            bool isSequenceOfImages = input >= 0 && isChannelsFirst[input];
            bool keeps = s_keepsOrder.Contains(layer.Kind) || skip is not null;
            isChannelsFirst[i] = s_slidesOverSequences.Contains(layer.Kind)
                || (isSequenceOfImages && keeps);
            if (layer is ConcatenationLayer)
            {
                RequireNoImages(layer, before, OutputOf(outputs, skip!.Value));
            }
            else if (skip is int other && !before.SequenceEqual(OutputOf(outputs, other)))
            {
                GiveOrder(layer, input, before, other, OutputOf(outputs, other));
                return false;
            }

            outputs.Add(layer.Kind == "flatten"
                ? ImageOf(layer.InputShape, isSequenceOfImages)
                : keeps ? before : _dense.GetValueOrDefault(i, []));
        }

        _outputs = [.. outputs];
        return true;
    }

    private void GiveOrder(
        Layer sum, int input, ImmutableArray<int> ofInput, int skip, ImmutableArray<int> ofSkip)
    {
        int node = ofInput.IsEmpty ? input : skip;
        while (node >= 0 && _network.Nodes[node].Layer is not ConcatenationLayer
            && (_network.Nodes[node].Skip is not null
                || s_keepsOrder.Contains(_network.Nodes[node].Layer.Kind)))
        {
            node = _network.Nodes[node].Input;
        }

        bool isFree = node >= 0 && _network.Nodes[node].Layer is DenseLayer
            && (ofInput.IsEmpty || ofSkip.IsEmpty);
        if (!isFree || !_dense.TryAdd(node, ofInput.IsEmpty ? ofSkip : ofInput))
        {
            throw new NotSupportedException(
                $"residual sum '{sum.Name}' adds a flattened image to what is none: "
                + "PyTorch's layouts have no order of its numbers for both");
        }
    }

    private static void RequireNoImages(
        Layer layer, ImmutableArray<int> input, ImmutableArray<int> skip)
    {
        if (!input.IsEmpty || !skip.IsEmpty)
        {
            throw new NotSupportedException(
                $"'{layer.Name}' puts a flattened image beside other numbers: PyTorch's layouts "
                + "have no order for them; put branches together before they are flattened");
        }
    }

    private static ImmutableArray<int> ImageOf(Shape shape, bool isSequenceOfImages) =>
        shape.Dimensions switch
        {
            [int height, int width, > 1 and int channels] => [height, width, channels],
            [int length, > 1 and int channels] when isSequenceOfImages => [1, length, channels],
            _ => [],
        };
}
