using System.Collections.Immutable;
using Backprop.Data.Preparation;

namespace Backprop.Data.Formats;

/// <summary>How a column of a table becomes features. A column that nobody declares, and that is
/// not a target, is numeric.</summary>
public abstract record TableColumn
{
    private TableColumn(string name) => Name = name;

    /// <summary>The column's name in the header; in a file without one, its number from 1.
    /// </summary>
    public string Name { get; init; }

    /// <summary>Numbers, one feature.</summary>
    /// <param name="Name">The column.</param>
    public sealed record Numeric(string Name) : TableColumn(Name)
    {
        /// <summary>What stands in for a missing number.</summary>
        public MissingFill Missing { get; init; }
    }

    /// <summary>Names without an order: one feature a name, 1 for a row's own, 0 for the others,
    /// called <c>column=name</c>.</summary>
    /// <param name="Name">The column.</param>
    public sealed record Categorical(string Name) : TableColumn(Name)
    {
        /// <summary>The names there may be; null: those that are there, sorted.</summary>
        public ImmutableArray<string>? Categories { get; init; }

        /// <summary>Whether a missing value is a name like the others, the last,
        /// <see cref="TableOptions.MissingCategory"/>; else it is refused.</summary>
        public bool MissingIsCategory { get; init; }
    }

    /// <summary>Names with an order: one feature, the level's number from 0.</summary>
    /// <param name="Name">The column.</param>
    /// <param name="Levels">The names, lowest first.</param>
    public sealed record Ordinal(string Name, ImmutableArray<string> Levels) : TableColumn(Name)
    {
        /// <summary>What stands in for a missing level.</summary>
        public MissingFill Missing { get; init; }
    }

    /// <summary>No feature at all.</summary>
    /// <param name="Name">The column.</param>
    public sealed record Ignored(string Name) : TableColumn(Name);
}

/// <summary>Which columns of a table are to be predicted.</summary>
public abstract record TableTarget
{
    private TableTarget()
    {
    }

    /// <summary>One column of class names.</summary>
    /// <param name="Column">The column.</param>
    /// <param name="Classes">The classes, by index; null: those that are there, sorted by number
    /// where all are whole numbers, else by their characters' codes.</param>
    public sealed record Class(string Column, ImmutableArray<string>? Classes = null) : TableTarget;

    /// <summary>One or more columns of numbers.</summary>
    /// <param name="Columns">The columns, in the order of the network's outputs.</param>
    public sealed record Values(ImmutableArray<string> Columns) : TableTarget;

    /// <summary>Several targets, each for outputs of the network of its own.</summary>
    /// <param name="Targets">The targets by name, none of them several.</param>
    public sealed record Several(ImmutableArray<KeyValuePair<string, TableTarget>> Targets)
        : TableTarget;

    /// <summary>The columns that it is made of.</summary>
    public ImmutableArray<string> ColumnNames => this switch
    {
        Class one => [one.Column],
        Values some => some.Columns,
        Several several => [.. several.Targets.SelectMany(target => target.Value.ColumnNames)],
        _ => throw new InvalidOperationException($"unknown target {this}"),
    };
}

/// <summary>How a file of a table is written.</summary>
public abstract record TableSyntax
{
    private TableSyntax()
    {
    }

    /// <summary>Lines of separated values (RFC 4180; no line breaks in quotes), plain or
    /// gzip-compressed.</summary>
    public sealed record Csv : TableSyntax
    {
        /// <summary>Whether each file's first line names the columns.</summary>
        public bool HasHeader { get; init; } = true;

        /// <summary>What stands between values; an ASCII character.</summary>
        public char Delimiter { get; init; } = ',';
    }

    /// <summary>A JSON object a line (jsonlines.org), plain or gzip-compressed. The first object
    /// has every column; null, and a key that is left out, are missing values.</summary>
    public sealed record JsonLines : TableSyntax;

    /// <summary>Apache Parquet, of flat columns.</summary>
    public sealed record Parquet : TableSyntax;
}

/// <summary>A dataset in the files of a table.</summary>
public sealed record TableOptions
{
    /// <summary>What a missing value is called where it is a category.</summary>
    public const string MissingCategory = "(missing)";

    /// <summary>One or more data shards with the same columns.</summary>
    public required ImmutableArray<string> Paths { get; init; }

    /// <summary>How they are written.</summary>
    public TableSyntax Syntax { get; init; } = new TableSyntax.Csv();

    /// <summary>What is to be predicted; null: nothing, the table is to be predicted from.
    /// </summary>
    public required TableTarget? Target { get; init; }

    /// <summary>Columns that are not numeric, or whose values may be missing.</summary>
    public ImmutableArray<TableColumn> Columns { get; init; } = [];

    /// <summary>What stands in for missing numbers of columns that are not declared.</summary>
    public MissingFill Missing { get; init; }

    /// <summary>What is written for a missing value.</summary>
    public ImmutableArray<string> MissingTokens { get; init; } = ["", "NA", "?"];
}
