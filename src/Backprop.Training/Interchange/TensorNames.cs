using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Training.Interchange;

/// <summary>By whose names and layouts a file has a network's tensors.</summary>
public enum TensorNames
{
    /// <summary>The names of the run's layers, with those of PyTorch's modules behind them:
    /// <see cref="PyTorchLayout"/>.</summary>
    PyTorch,

    /// <summary>Those of the same architecture in Hugging Face's library:
    /// <see cref="HuggingFaceLayout"/>.</summary>
    HuggingFace,
}

/// <summary>A network's parameters by names of either kind.</summary>
public static class TensorLayout
{
    /// <summary>The tensors of a network.</summary>
    /// <exception cref="NotSupportedException">The network has no tensors by these names; the
    /// message names the layer.</exception>
    public static ImmutableArray<StridedTensor> Of(Network network, TensorNames names) =>
        names == TensorNames.HuggingFace
            ? HuggingFaceLayout.Of(network).Tensors
            : PyTorchLayout.Of(network);
}
