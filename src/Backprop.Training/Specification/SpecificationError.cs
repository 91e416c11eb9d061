using System.Collections.Immutable;

namespace Backprop.Training.Specification;

/// <summary>A place in a text, for messages.</summary>
/// <param name="File">The file's name as the user gave it.</param>
/// <param name="Line">From 1.</param>
/// <param name="Column">From 1, in UTF-16 units.</param>
public readonly record struct SourcePosition(string File, int Line, int Column)
{
    /// <summary>For example <c>digits.conf:12:7</c>, which editors and terminals can follow.
    /// </summary>
    public override string ToString() => $"{File}:{Line}:{Column}";
}

/// <summary>One mistake in a specification.</summary>
/// <param name="Position">Where it stands.</param>
/// <param name="Path">The key's path, for example <c>model[1].dense.units</c>; empty where the
/// mistake is one of syntax.</param>
/// <param name="Message">What is wrong, and what would be right.</param>
public sealed record SpecificationError(SourcePosition Position, string Path, string Message)
{
    /// <summary>One line: position, path and message.</summary>
    public override string ToString() =>
        Path.Length == 0 ? $"{Position}: {Message}" : $"{Position}: {Path}: {Message}";
}

/// <summary>A specification that cannot be used; it carries every mistake that was found.</summary>
public sealed class SpecificationException : Exception
{
    /// <summary>Refuses a specification for these mistakes, of which there is at least one.
    /// </summary>
    public SpecificationException(IEnumerable<SpecificationError> errors)
        : this([.. errors.OrderBy(e => e.Position.File, StringComparer.Ordinal)
            .ThenBy(e => e.Position.Line).ThenBy(e => e.Position.Column)])
    {
    }

    private SpecificationException(ImmutableArray<SpecificationError> errors)
        : base(string.Join('\n', errors))
    {
        Errors = errors;
    }

    /// <summary>The mistakes, by position.</summary>
    public ImmutableArray<SpecificationError> Errors { get; }
}
