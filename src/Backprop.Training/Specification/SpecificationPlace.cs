namespace Backprop.Training.Specification;

/// <summary>Where in a specification something stands, for mistakes that show only when the data
/// are at hand.</summary>
/// <param name="Position">File, line and column.</param>
/// <param name="Path">The key's path.</param>
public sealed record SpecificationPlace(SourcePosition Position, string Path)
{
    /// <summary>A mistake at this place.</summary>
    /// <param name="message">What is wrong, and what would be right.</param>
    public SpecificationError Error(string message) => new(Position, Path, message);
}
