using Backprop.Data.Tensors;
using Backprop.Models.Onnx;
using Backprop.Training.Interchange;

namespace Backprop.Models;

/// <summary>What a model is written as for other programs.</summary>
public enum ExportFormat
{
    /// <summary>Weights by the names and layouts of PyTorch or Hugging Face, with what it takes to
    /// load the file as a model again.</summary>
    Safetensors,

    /// <summary>The whole computation, from unprepared features to predictions, for ONNX Runtime
    /// and others.</summary>
    Onnx,

    /// <summary>Weights by the same names, as an archive of NumPy's arrays.</summary>
    Npz,
}

/// <summary>Writes models for other programs; docs/interchange.md says what is in the files.
/// </summary>
public static class ModelExport
{
    /// <summary>Writes a model.</summary>
    /// <param name="model">The model; it is only read, and may be used meanwhile.</param>
    /// <param name="format">What as.</param>
    /// <param name="destination">Written from its position on; the caller sees to it that it is
    /// durable.</param>
    /// <param name="names">By whose names and layouts weights are written; ONNX has none but
    /// PyTorch's.</param>
    /// <exception cref="ModelException">A layer has no equivalent in the format, or the network is
    /// none that the names are for: the message names the layer; the model does not say what its
    /// input is; or it is larger than the format allows.</exception>
    /// <exception cref="ArgumentException">The format has other names.</exception>
    /// <exception cref="IOException">From the stream.</exception>
    public static void Write(
        Model model, ExportFormat format, Stream destination,
        TensorNames names = TensorNames.PyTorch)
    {
        switch (format)
        {
            case ExportFormat.Safetensors:
                SafetensorsWriter.Write(
                    ModelTensors.Of(model, names), ModelTensors.MetadataOf(model, names),
                    destination);
                break;
            case ExportFormat.Npz:
                NumpyWriter.WriteArchive(ModelTensors.Of(model, names), destination);
                break;
            case ExportFormat.Onnx when names != TensorNames.PyTorch:
                throw new ArgumentException(
                    "ONNX has tensors by the names of the run's layers", nameof(names));
            case ExportFormat.Onnx:
                OnnxExport.Write(model, destination);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(format), format, null);
        }
    }
    /// <summary>The text of <c>config.json</c>, by which Hugging Face's library makes the model of
    /// weights with its names.</summary>
    /// <exception cref="ModelException">The network is none that the library has; the message names
    /// the layer that differs.</exception>
    public static string HuggingFaceConfiguration(Model model) =>
        ModelTensors.HuggingFaceOf(model).Configuration.ToJson();
}
