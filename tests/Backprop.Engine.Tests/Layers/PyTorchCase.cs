using System.Text.Json;

namespace Backprop.Engine.Tests.Layers;

/// <summary>What PyTorch computed for a layer in double precision; written by
/// tools/fixtures/layers.py.</summary>
internal sealed record PyTorchCase(
    string Name,
    int Rows,
    int Inputs,
    int Outputs,
    double[] X,
    double[] Dy,
    double[] Y,
    double[] Dx,
    Dictionary<string, double[]> Parameters,
    Dictionary<string, double[]> Gradients,
    Dictionary<string, double[]> Extra)
{
    private static readonly Lazy<Dictionary<string, PyTorchCase>> All = new(Read);

    public static PyTorchCase Named(string name) => All.Value[name];

    private static Dictionary<string, PyTorchCase> Read()
    {
        using Stream stream = typeof(PyTorchCase).Assembly
            .GetManifestResourceStream("Backprop.Engine.Tests.Layers.layers.json")
            ?? throw new InvalidOperationException("layers.json is not in the test assembly");
        PyTorchCase[] cases =
            JsonSerializer.Deserialize<PyTorchCase[]>(stream, JsonSerializerOptions.Web)!;
        return cases.ToDictionary(entry => entry.Name);
    }
}
