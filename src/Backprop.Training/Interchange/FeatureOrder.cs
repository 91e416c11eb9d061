using System.Collections.Immutable;
using Backprop.Engine;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>
/// Which rows of numbers are flattened images. Here an image's channels lie last, in PyTorch they
/// come first, so that the same flattened image has its numbers in another order there, and a
/// dense layer after it has its weights so.
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

    private readonly ImmutableArray<ImmutableArray<int>> _outputs;
    private readonly Network _network;

    private FeatureOrder(Network network, ImmutableArray<ImmutableArray<int>> outputs)
    {
        _network = network;
        _outputs = outputs;
    }

    /// <summary>Of a network.</summary>
    /// <exception cref="NotSupportedException">A residual sum adds a flattened image to what is
    /// none: no order of its numbers is right for both.</exception>
    public static FeatureOrder Of(Network network)
    {
        var outputs = ImmutableArray.CreateBuilder<ImmutableArray<int>>(network.Nodes.Length);
        var isChannelsFirst = new bool[network.Nodes.Length];
        for (int i = 0; i < network.Nodes.Length; i++)
        {
            (Layer layer, int input, int? skip) = network.Nodes[i];
            ImmutableArray<int> before = input < 0 ? [] : outputs[input];
            bool isSequenceOfImages = input >= 0 && isChannelsFirst[input];
            bool keeps = s_keepsOrder.Contains(layer.Kind);
            isChannelsFirst[i] = s_slidesOverSequences.Contains(layer.Kind)
                || (isSequenceOfImages && (keeps || skip is not null));
            if (skip is int other && !before.SequenceEqual(other < 0 ? [] : outputs[other]))
            {
                throw new NotSupportedException(
                    $"residual sum '{layer.Name}' adds a flattened image to what is none: "
                    + "PyTorch's layouts have no order of its numbers for both");
            }

            outputs.Add(layer.Kind == "flatten"
                ? ImageOf(layer.InputShape, isSequenceOfImages)
                : keeps || skip is not null ? before : []);
        }

        return new FeatureOrder(network, outputs.MoveToImmutable());
    }

    /// <summary>The image, [height, width, channels], that a node's input rows are flattened from;
    /// empty: their order is the same everywhere.</summary>
    public ImmutableArray<int> InputOf(int node)
    {
        int input = _network.Nodes[node].Input;
        return input < 0 ? [] : _outputs[input];
    }

    private static ImmutableArray<int> ImageOf(Shape shape, bool isSequenceOfImages) =>
        shape.Dimensions switch
        {
            [int height, int width, > 1 and int channels] => [height, width, channels],
            [int length, > 1 and int channels] when isSequenceOfImages => [1, length, channels],
            _ => [],
        };
}
