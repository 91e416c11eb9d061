using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification.Reading;

/// <summary>A value of the specification, how it is reached, and where mistakes are collected.
/// </summary>
/// <param name="Value">The value.</param>
/// <param name="Path">Its path, for example <c>model[1].dense</c>; empty for the root.</param>
/// <param name="Errors">Every mistake found so far.</param>
internal sealed record ValueCursor(HoconValue Value, string Path, List<SpecificationError> Errors)
{
    /// <summary>Why a file of data may not be named; null: any may.</summary>
    public Func<string, string?>? FileRefusal { get; init; }

    /// <summary>The plug-ins whose layers may be named.</summary>
    public LayerPlugins Plugins { get; init; } = LayerPlugins.None;

    /// <summary>Remembers a mistake in this value.</summary>
    /// <returns>False, for the reader to return.</returns>
    public bool Fail(string message) => FailAt(Value.Position, Path, message);

    /// <summary>Remembers a mistake in a key.</summary>
    public bool FailAt(SourcePosition position, string path, string message)
    {
        Errors.Add(new SpecificationError(position, path, message));
        return false;
    }

    /// <summary>The cursor at a field of this object.</summary>
    public ValueCursor At(HoconField field) =>
        this with { Value = field.Value, Path = PathOf(field.Key) };

    /// <summary>The cursor at an element of this array.</summary>
    public ValueCursor At(int index, HoconValue item) =>
        this with { Value = item, Path = $"{Path}[{index}]" };

    /// <summary>The path of a key of this object; the empty key stands for the object itself.
    /// </summary>
    public string PathOf(string key) =>
        key.Length == 0 ? Path : Path.Length == 0 ? key : $"{Path}.{key}";
}
