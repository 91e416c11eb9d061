using System.Collections.Immutable;
using Backprop.Data.Preparation;

namespace Backprop.Data.Formats;

/// <summary>How a column of a table becomes features. A column that nobody declares, and that is
/// not a target, is numeric.</summary>
public abstract record CsvColumn
{
    private CsvColumn(string name) => Name = name;

    /// <summary>The column's name in the header; in a file without one, its number from 1.
    /// </summary>
    public string Name { get; init; }

    /// <summary>Numbers, one feature.</summary>
    /// <param name="Name">The column.</param>
    public sealed record Numeric(string Name) : CsvColumn(Name)
    {
        /// <summary>What stands in for a missing number.</summary>
        public MissingFill Missing { get; init; }
    }

    /// <summary>Names without an order: one feature a name, 1 for a row's own, 0 for the others,
    /// called <c>column=name</c>.</summary>
    /// <param name="Name">The column.</param>
    public sealed record Categorical(string Name) : CsvColumn(Name)
    {
        /// <summary>The names there may be; null: those that are there, sorted.</summary>
        public ImmutableArray<string>? Categories { get; init; }

        /// <summary>Whether a missing value is a name like the others, the last,
        /// <see cref="CsvOptions.MissingCategory"/>; else it is refused.</summary>
        public bool MissingIsCategory { get; init; }
    }

    /// <summary>Names with an order: one feature, the level's number from 0.</summary>
    /// <param name="Name">The column.</param>
    /// <param name="Levels">The names, lowest first.</param>
    public sealed record Ordinal(string Name, ImmutableArray<string> Levels) : CsvColumn(Name)
    {
        /// <summary>What stands in for a missing level.</summary>
        public MissingFill Missing { get; init; }
    }

    /// <summary>No feature at all.</summary>
    /// <param name="Name">The column.</param>
    public sealed record Ignored(string Name) : CsvColumn(Name);
}

/// <summary>Which columns of a table are to be predicted.</summary>
public abstract record CsvTarget
{
    private CsvTarget()
    {
    }

    /// <summary>One column of class names.</summary>
    /// <param name="Column">The column.</param>
    /// <param name="Classes">The classes, by index; null: those that are there, sorted by number
    /// where all are whole numbers, else by their characters' codes.</param>
    public sealed record Class(string Column, ImmutableArray<string>? Classes = null) : CsvTarget;

    /// <summary>One or more columns of numbers.</summary>
    /// <param name="Columns">The columns, in the order of the network's outputs.</param>
    public sealed record Values(ImmutableArray<string> Columns) : CsvTarget;
}

/// <summary>A dataset in text files of separated values (RFC 4180; no line breaks in quotes).
/// </summary>
public sealed record CsvOptions
{
    /// <summary>What a missing value is called where it is a category.</summary>
    public const string MissingCategory = "(missing)";

    /// <summary>One or more data shards with the same columns.</summary>
    public required ImmutableArray<string> Paths { get; init; }

    /// <summary>What is to be predicted; null: nothing, the table is to be predicted from.
    /// </summary>
    public required CsvTarget? Target { get; init; }

    /// <summary>Columns that are not numeric, or whose values may be missing.</summary>
    public ImmutableArray<CsvColumn> Columns { get; init; } = [];

    /// <summary>What stands in for missing numbers of columns that are not declared.</summary>
    public MissingFill Missing { get; init; }

    /// <summary>Whether each file's first line names the columns.</summary>
    public bool HasHeader { get; init; } = true;

    /// <summary>What stands between values; an ASCII character.</summary>
    public char Delimiter { get; init; } = ',';

    /// <summary>What is written for a missing value.</summary>
    public ImmutableArray<string> MissingTokens { get; init; } = ["", "NA", "?"];
}
