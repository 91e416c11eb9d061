using System.Collections.Immutable;
using Backprop.Data.Tensors;

namespace Backprop.Training.Tests.Interchange;

/// <summary>Tensors by name, of shape and values.</summary>
internal sealed class NamedTensors : Dictionary<string, (long[] Shape, float[] Values)>
{
    public NamedTensors()
    {
    }

    public NamedTensors(IDictionary<string, (long[] Shape, float[] Values)> others)
        : base(others)
    {
    }
}

/// <summary>A file that a test has made up.</summary>
internal sealed class TensorsInMemory(string source, NamedTensors tensors) : ITensorFile
{
    public string Source => source;

    public IEnumerable<string> Names => tensors.Keys;

    public IReadOnlyDictionary<string, string> Metadata =>
        ImmutableDictionary<string, string>.Empty;

    public TensorEntry? Find(string name) =>
        tensors.TryGetValue(name, out (long[] Shape, float[] Values) tensor)
            ? new TensorEntry("F32", [.. tensor.Shape], 0, tensor.Values.Length * sizeof(float))
            : null;

    public void Read(string name, Span<float> destination) =>
        tensors[name].Values.CopyTo(destination);

    public void Dispose()
    {
    }
}
