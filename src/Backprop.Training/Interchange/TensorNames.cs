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
