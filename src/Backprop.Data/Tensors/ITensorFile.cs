using System.Collections.Immutable;

namespace Backprop.Data.Tensors;

/// <summary>A tensor as its file describes it.</summary>
/// <param name="Type">The word of the file: <c>F32</c>.</param>
/// <param name="Shape">Its dimensions; none: a single number.</param>
/// <param name="Offset">Where its bytes begin in the file.</param>
/// <param name="Bytes">How many they are.</param>
public sealed record TensorEntry(
    string Type, ImmutableArray<long> Shape, long Offset, long Bytes)
{
    /// <summary>The dimensions, <c>[128, 10]</c>.</summary>
    public string ShapeText => $"[{string.Join(", ", Shape)}]";
}

/// <summary>Tensors by name, as a file has them; read one by one, as floats.</summary>
/// <remarks>One caller at a time.</remarks>
public interface ITensorFile : IDisposable
{
    /// <summary>The file, for messages.</summary>
    string Source { get; }

    /// <summary>The tensors' names.</summary>
    IEnumerable<string> Names { get; }

    /// <summary>What the file says beside its tensors.</summary>
    IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>A tensor's description; null: there is none of this name.</summary>
    TensorEntry? Find(string name);

    /// <summary>A small text that lies beside the file, such as a configuration; null: there is
    /// none.</summary>
    /// <param name="name">Its name, without a directory.</param>
    /// <exception cref="InvalidDatasetException">It cannot be read, or is large.</exception>
    string? Beside(string name) => null;

    /// <summary>Reads a tensor, row-major, rounded to the nearest floats where it is wider.
    /// </summary>
    /// <param name="name">One that <see cref="Find"/> finds.</param>
    /// <param name="destination">As many numbers as its shape has, overwritten.</param>
    /// <exception cref="InvalidDatasetException">Its elements are no floating-point numbers, or one
    /// is not finite.</exception>
    void Read(string name, Span<float> destination);
}
