using System.Collections.Immutable;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;

namespace Backprop.Console.Explanation;

/// <summary>A layer of neurons as nodes of the network.</summary>
/// <param name="Dense">The node of the weighted sums.</param>
/// <param name="Activation">The node of their activation; null: none.</param>
internal sealed record NeuronNodes(int Dense, int? Activation)
{
    /// <summary>The node whose output is the neurons'.</summary>
    public int Output => Activation ?? Dense;
}

/// <summary>Finds the layers of neurons of a network: dense layers, each with at most one
/// activation that treats every neuron alone, one after the other.</summary>
internal static class NeuronLayers
{
    private static readonly string[] s_activations =
        ["sigmoid", "tanh", "relu", "leaky-relu", "gelu", "silu"];

    /// <summary>The layers, first hidden one first.</summary>
    /// <exception cref="MistakeException">The network has other layers.</exception>
    public static ImmutableArray<NeuronNodes> Of(Network network)
    {
        if (network.HasNamedOutputs)
        {
            throw new MistakeException(
                "the network has the outputs "
                + string.Join(", ", network.Outputs.Select(output => output.Name))
                + "; networks that can be explained have one, without a name");
        }

        var layers = new List<NeuronNodes>();
        for (int node = 0; node < network.Nodes.Length; node++)
        {
            Layer layer = network.Nodes[node].Layer;
            if (layer.Kind == "dense")
            {
                layers.Add(new NeuronNodes(node, null));
            }
            else if (s_activations.Contains(layer.Kind)
                && layers is [.., { Activation: null } last] && last.Dense == node - 1)
            {
                layers[^1] = last with { Activation = node };
            }
            else if (!(layer.IsView && layers.Count == 0))
            {
                throw new MistakeException(
                    $"layer '{layer.Name}' is of the kind {layer.Kind}; networks that can be "
                    + "explained are of dense layers, each with at most one of the activations "
                    + string.Join(", ", s_activations));
            }
        }

        return layers.Count > 0
            ? [.. layers]
            : throw new MistakeException("the network has no dense layer to explain");
    }
}
