namespace Backprop.Training.Specification.Hocon;

/// <summary>A text that an <c>include</c> names.</summary>
/// <param name="File">What messages call it, and what tells it apart from other texts: the same
/// file must always be given the same name.</param>
/// <param name="Text">Its content.</param>
public sealed record IncludedText(string File, string Text);

/// <summary>Finds the texts that <c>include "name"</c> asks for. The reader itself does no I/O.
/// </summary>
public interface IIncludeSource
{
    /// <summary>Finds the text <paramref name="name"/>, relative to the file that names
    /// it.</summary>
    /// <param name="includingFile">The file with the <c>include</c> statement.</param>
    /// <param name="name">The name in the statement.</param>
    /// <returns>The text; null where there is none of that name.</returns>
    IncludedText? Find(string includingFile, string name);
}

/// <summary>What a HOCON text may cost, so that no text can exhaust memory, stack or time.
/// </summary>
public sealed record HoconLimits
{
    /// <summary>Characters of all texts together, included ones every time.</summary>
    public int MaxCharacters { get; init; } = 8 * 1024 * 1024;

    /// <summary>Levels of nesting, written or made by substitution.</summary>
    public int MaxDepth { get; init; } = 64;

    /// <summary>Values of the finished tree, and values made on the way to it.</summary>
    public int MaxNodes { get; init; } = 2_000_000;

    /// <summary>Files that include one another in a chain.</summary>
    public int MaxIncludeDepth { get; init; } = 8;

    /// <summary>Mistakes after which reading ends.</summary>
    public int MaxErrors { get; init; } = 20;
}

/// <summary>
/// Reads HOCON (github.com/lightbend/config, HOCON.md) into an immutable tree that knows where
/// each value stands.
/// </summary>
/// <remarks>
/// Different from the specification on purpose: an included file must exist; substitutions see
/// neither environment variables nor system properties, since a run must not depend on them; only
/// files can be included; a root array is refused.
/// </remarks>
public static class HoconReader
{
    /// <summary>Reads a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="file">Its name, for messages and for relative includes.</param>
    /// <param name="includes">Where included texts come from; null: includes are refused.</param>
    /// <param name="limits">What the text may cost; null: the defaults.</param>
    /// <exception cref="SpecificationException">The text is not HOCON, or costs too much.
    /// </exception>
    public static HoconObject Read(
        string text, string file, IIncludeSource? includes = null, HoconLimits? limits = null)
    {
        var context = new ReadingContext(limits ?? new HoconLimits(), includes);
        UnresolvedObject root = new HoconParser(text, file, context).ParseRoot();
        context.ThrowIfFailed();
        HoconObject result = new SubstitutionResolver(root, context).Resolve();
        context.ThrowIfFailed();
        return result;
    }
}

/// <summary>What parsing and resolving one text and its includes share.</summary>
internal sealed class ReadingContext(HoconLimits limits, IIncludeSource? includes)
{
    private readonly List<SpecificationError> _errors = [];
    private long _nodes;
    private long _characters;

    public HoconLimits Limits { get; } = limits;

    public IIncludeSource? Includes { get; } = includes;

    /// <summary>Remembers a mistake; ends reading where there are too many.</summary>
    public void Report(SourcePosition position, string message)
    {
        _errors.Add(new SpecificationError(position, "", message));
        if (_errors.Count >= Limits.MaxErrors)
        {
            throw new SpecificationException(_errors);
        }
    }

    /// <summary>The exception for a mistake after which reading cannot go on.</summary>
    public SpecificationException Fatal(SourcePosition position, string message) =>
        new(_errors.Append(new SpecificationError(position, "", message)));

    public void ThrowIfFailed()
    {
        if (_errors.Count > 0)
        {
            throw new SpecificationException(_errors);
        }
    }

    public void ChargeNodes(long nodes, SourcePosition position)
    {
        _nodes += nodes;
        if (_nodes > Limits.MaxNodes)
        {
            throw Fatal(position, $"more than {Limits.MaxNodes:N0} values");
        }
    }

    public void ChargeText(string text, string file)
    {
        _characters += text.Length;
        if (_characters > Limits.MaxCharacters)
        {
            throw Fatal(
                new SourcePosition(file, 1, 1),
                $"longer than {Limits.MaxCharacters:N0} characters, included files counted");
        }
    }

    public void CheckDepth(int depth, SourcePosition position)
    {
        if (depth > Limits.MaxDepth)
        {
            throw Fatal(position, $"nested deeper than {Limits.MaxDepth} levels");
        }
    }
}
