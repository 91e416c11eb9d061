using System.Collections.Immutable;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Data.Sources;
using Backprop.Engine.Networks;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Tables, in each of the syntaxes that they are written in.</summary>
internal static class TableSchema
{
    private static readonly ListKind<string> Names = new(
        Kinds.Text, "an array of names", acceptsOne: true);

    private static readonly Key<ImmutableArray<string>> Files = Key.Required(
        "files", Kinds.Files, "the files, read as one table; `*` and `?` in a file's name stand "
        + "for whatever others have there");

    private static readonly Key<string> ClassColumn = Key.Required(
        "column", Kinds.Text, "the column of class names");

    private static readonly Key<ImmutableArray<string>?> Classes =
        Key.Optional<ImmutableArray<string>?>(
            "classes", new ListKind<string>(Kinds.Text, "an array of names", minimum: 2)
                .As(names => (ImmutableArray<string>?)names),
            null, "those in the table, sorted", "the classes, by index");

    private static readonly Key<ImmutableArray<string>> ValueColumns = Key.Required(
        "columns", Names, "the columns, in the order of the network's outputs");

    private static readonly Section<TableTarget>[] SingleTargets =
    [
        new(
            "class", "One column of class names.", [ClassColumn, Classes],
            k => new TableTarget.Class(k.Get(ClassColumn), k.Get(Classes)), ClassColumn),
        new(
            "values", "Columns of numbers.", [ValueColumns],
            k => new TableTarget.Values(k.Get(ValueColumns)), ValueColumns),
    ];

    private static readonly Key<ImmutableArray<KeyValuePair<string, TableTarget>>> SeveralTargets =
        Key.Required(
            "", new MapKind<TableTarget>(
                new Choice<TableTarget>("table target", SingleTargets),
                "targets by name, `{ kind { class = species }, weight { values = kg } }`",
                Kinds.IsName),
            "the targets");

    private static readonly Key<TableTarget> Target = Key.Required(
        "target", new Choice<TableTarget>(
            "table target",
            [
                .. SingleTargets,
                new(
                    "several", "Several targets by name, for the outputs of a model that names "
                    + "them: `several { kind { class = species }, weight { values = kg } }`. Those "
                    + "that are values are normalized as `normalize-targets` says.",
                    [SeveralTargets], BindSeveral, SeveralTargets),
            ]),
        "what is to be predicted");

    private static readonly Key<double> MissingConstant = Key.Required(
        "value", Kinds.Number, "the number");

    private static readonly Choice<MissingFill> Fill = new(
        "missing value",
        new Section<MissingFill>(
            "error", "A missing value is refused.", [],
            _ => new MissingFill(MissingPolicy.Error)),
        new Section<MissingFill>(
            "mean", "The mean of the training part.", [],
            _ => new MissingFill(MissingPolicy.Mean)),
        new Section<MissingFill>(
            "median", "The median of the training part.", [],
            _ => new MissingFill(MissingPolicy.Median)),
        new Section<MissingFill>(
            "constant", "A number.", [MissingConstant],
            k => new MissingFill(MissingPolicy.Constant, k.GetFloat(MissingConstant)),
            MissingConstant));

    private static readonly Key<MissingFill> Missing = Key.Optional(
        "missing", Fill, default, "error", "what stands in for a missing number");

    private static readonly Key<ImmutableArray<string>?> Categories =
        Key.Optional<ImmutableArray<string>?>(
            "categories", Names.As(names => (ImmutableArray<string>?)names), null,
            "those in the table, sorted", "the names there may be");

    private static readonly Key<bool> MissingIsCategory = Key.Optional(
        "missing-is-category", Kinds.Boolean, false, "false",
        "whether a missing value is a name like the others; else it is refused");

    private static readonly Key<ImmutableArray<string>> Levels = Key.Required(
        "levels", new ListKind<string>(Kinds.Text, "an array of names", minimum: 2),
        "the names, lowest first");

    /// <summary>Columns without their name, which is the key they stand under.</summary>
    private static readonly Choice<TableColumn> Column = new(
        "table column",
        new Section<TableColumn>(
            "numeric", "Numbers: one feature.", [Missing],
            k => new TableColumn.Numeric("") { Missing = k.Get(Missing) }),
        new Section<TableColumn>(
            "categorical", "Names without an order: one feature for each name, 0 or 1.",
            [Categories, MissingIsCategory],
            k => new TableColumn.Categorical("")
            {
                Categories = k.Get(Categories), MissingIsCategory = k.Get(MissingIsCategory),
            }),
        new Section<TableColumn>(
            "ordinal", "Names with an order: one feature, the level's number from 0.",
            [Levels, Missing],
            k => new TableColumn.Ordinal("", k.Get(Levels)) { Missing = k.Get(Missing) }, Levels),
        new Section<TableColumn>(
            "ignored", "No feature.", [], _ => new TableColumn.Ignored("")));

    private static readonly Key<ImmutableArray<KeyValuePair<string, TableColumn>>> Columns =
        Key.Optional<ImmutableArray<KeyValuePair<string, TableColumn>>>(
            "columns", new MapKind<TableColumn>(
                Column, "columns by name, `{ color = categorical, id = ignored }`"),
            [], "all numeric", "columns that are not numeric, or whose values may be missing");

    private static readonly Key<bool> Header = Key.Optional(
        "header", Kinds.Boolean, true, "true",
        "whether each file's first line names the columns; else they are called 1, 2, ...");

    private static readonly Key<char> Delimiter = Key.Optional(
        "delimiter",
        new WordKind<char>(
            ("comma", ','), ("semicolon", ';'), ("tab", '\t'), ("space", ' '), ("bar", '|')),
        ',', "comma", "what stands between values");

    private static readonly Key<ImmutableArray<string>> MissingTokens = Key.Optional(
        "missing-tokens", new ListKind<string>(
            new TextKind("a text, which may be empty", _ => true, mayBeEmpty: true),
            "an array of texts"),
        new TableOptions { Paths = [], Target = null }.MissingTokens, "[\"\", NA, \"?\"]",
        "what is written for a missing value");

    private static readonly ImmutableArray<SyntaxSection> Syntaxes =
    [
        new(
            "csv", "Text files of separated values, plain or gzip-compressed.",
            [Header, Delimiter],
            k => new TableSyntax.Csv { HasHeader = k.Get(Header), Delimiter = k.Get(Delimiter) }),
        new(
            "json-lines", "Text files with a JSON object a line, plain or gzip-compressed. The "
            + "first object has every key; null and a key that is left out are missing values.",
            [], _ => new TableSyntax.JsonLines()),
        new(
            "parquet", "Apache Parquet files of flat columns.", [],
            _ => new TableSyntax.Parquet()),
    ];

    /// <summary>Tables to train on.</summary>
    public static ImmutableArray<Section<DataSource>> Tables { get; } =
        [.. Syntaxes.Select(TableOf)];

    /// <summary>Tables that are read as the training table is.</summary>
    public static ImmutableArray<Section<DataSource>> FollowingTables { get; } =
        [.. Syntaxes.Select(FollowingTableOf)];

    private static TableTarget.Several BindSeveral(KeyValues keys)
    {
        var targets = new TableTarget.Several(keys.Get(SeveralTargets));
        if (targets.Targets.Length is 0 or > Network.MaxOutputs)
        {
            keys.Refuse(
                SeveralTargets,
                $"{targets.Targets.Length} targets, where 1 to {Network.MaxOutputs} can be");
        }

        if (targets.ColumnNames.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1)
            is { Key: var column })
        {
            keys.Refuse(
                SeveralTargets, $"column '{column}' stands in two targets; name it once, and let "
                + "both outputs have that target");
        }

        return targets;
    }

    private static Section<DataSource> TableOf(SyntaxSection syntax) => new(
        syntax.Name, syntax.Meaning,
        [Files, Target, Columns, Missing, .. syntax.Keys, MissingTokens],
        k => new DataSource.Table(new TableOptions
        {
            Paths = k.Get(Files),
            Syntax = syntax.Bind(k),
            Target = k.Get(Target),
            Columns = [.. k.Get(Columns).Select(column => column.Value with { Name = column.Key })],
            Missing = k.Get(Missing),
            MissingTokens = k.Get(MissingTokens),
        }));

    private static Section<DataSource> FollowingTableOf(SyntaxSection syntax) => new(
        syntax.Name, $"{syntax.Meaning} They are read as the training table is: with its target, "
        + "columns, classes and categories.", [Files, .. syntax.Keys, MissingTokens],
        k => new DataSource.Table(new TableOptions
        {
            Paths = k.Get(Files),
            Syntax = syntax.Bind(k),
            Target = null,
            MissingTokens = k.Get(MissingTokens),
        }),
        Files);

    private sealed record SyntaxSection(
        string Name, string Meaning, ImmutableArray<Key> Keys, Func<KeyValues, TableSyntax> Bind);
}
