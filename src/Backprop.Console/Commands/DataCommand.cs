using System.Collections.Immutable;
using System.CommandLine;
using System.IO.Compression;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Preparation;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop data</c>: looks at tables, and writes them anew.</summary>
internal static class DataCommand
{
    private const double DefaultFraction = 0.2;
    private const string SpecificationEnding = ".conf";
    private const string CompressedEnding = ".gz";
    private const int MostClassesShown = 12;

    public static Command Create(CommandEnvironment environment) =>
        new("data", "Show what is in data, convert and split tables")
        {
            Inspect(environment), Convert(environment), Split(environment),
        };

    private static Command Inspect(CommandEnvironment environment)
    {
        Argument<string> input = SharedOptions.FileArgument(
            "INPUT", "A table (.csv, .tsv, .jsonl, .parquet), or a specification (.conf)");
        var reading = new ReadingOptions();
        Option<string?> configuration = SharedOptions.Configuration();
        var command = new Command("inspect", "Show rows, columns, ranges, classes and a digest")
        {
            input, configuration,
        };
        reading.AddTo(command);
        command.SetAction(result =>
        {
            string path = result.GetRequiredValue(input);
            CommandEnvironment wanted = environment.For(result);
            if (IsSpecification(path))
            {
                using PlannedRun run = SpecificationFile.Plan(SpecificationFile.Read(
                    path, SharedOptions.Plugins(result, configuration, environment)));
                DataPart[] parts = [.. Parts(run)];
                wanted.Answer(new { parts }, parts.SelectMany(part => Lines(part, wanted.Width)));
                return;
            }

            TableProfile profile = reading.Of(result, path).Profile;
            wanted.Answer(profile, Lines(profile, wanted.Width));
        });
        return command;
    }

    private static Command Convert(CommandEnvironment environment)
    {
        Argument<string> input = SharedOptions.FileArgument(
            "INPUT", "A table, or a specification (.conf)");
        Argument<string> output = SharedOptions.FileArgument(
            "OUTPUT", "The file to write (.csv, .tsv, .jsonl, .parquet); of a run's data a folder");
        var reading = new ReadingOptions();
        var conversion = new DatasetConversionOptions();
        Option<string?> configuration = SharedOptions.Configuration();
        var command = new Command("convert", "Write a table in another syntax, or a run's data")
        {
            input, output, configuration,
        };
        conversion.AddTo(command);
        reading.AddTo(command);
        command.SetAction(result =>
        {
            string source = result.GetRequiredValue(input), path = result.GetRequiredValue(output);
            if (IsSpecification(source))
            {
                RunSpecification run = SpecificationFile.Read(
                    source, SharedOptions.Plugins(result, configuration, environment));
                conversion.Convert(environment, result, run, path);
                return;
            }

            conversion.RequireNone(result);
            ReadTable table = reading.Of(result, source);
            RequireOther(table, path);
            Write(path, (stream, syntax) => TableConversion.Convert(
                table.Profile, table.Syntax, table.MissingTokens, syntax, stream));
            TableProfile written = Written(path);
            if (written.Sha256 != table.Profile.Sha256)
            {
                throw new MistakeException(
                    $"'{path}' was written, but does not have the values of the table: its digest "
                    + $"is {written.Sha256}, where {table.Profile.Sha256} should be");
            }

            environment.For(result).Answer(
                new { file = path, rows = written.Rows, sha256 = written.Sha256 },
                [$"{path}: {NumberText.Count(written.Rows)} rows, sha-256 {written.Sha256}"]);
        });
        return command;
    }

    private static Command Split(CommandEnvironment environment)
    {
        Argument<string> input = SharedOptions.FileArgument("INPUT", "A table");
        Argument<string> first = SharedOptions.FileArgument(
            "FIRST", "The file of the rows that are left");
        Argument<string> second = SharedOptions.FileArgument(
            "SECOND", "The file of the rows that are drawn");
        var fraction = new Option<double>("--fraction")
        {
            Description = "The part that the second file has [default: 0.2]",
            HelpName = "X",
            DefaultValueFactory = _ => DefaultFraction,
        };
        fraction.Validators.Add(result =>
        {
            if (!(result.GetValue(fraction) is > 0 and < 1))
            {
                result.AddError("--fraction must lie between 0 and 1");
            }
        });
        var seed = new Option<ulong>("--seed")
        {
            Description = "What the rows are drawn by [default: 0]",
            HelpName = "N",
        };
        var stratified = new Option<string?>("--stratified")
        {
            Description = "A column whose classes both files have in proportion",
            HelpName = "COLUMN",
        };
        var reading = new ReadingOptions();
        var command = new Command("split", "Write a table's rows to two files, drawn by a seed")
        {
            input, first, second, fraction, seed, stratified,
        };
        reading.AddTo(command);
        command.SetAction(result =>
        {
            string others = result.GetRequiredValue(first), held = result.GetRequiredValue(second);
            ReadTable table = reading.Of(result, result.GetRequiredValue(input));
            RequireOther(table, others);
            RequireOther(table, held);
            if (Path.GetFullPath(others) == Path.GetFullPath(held))
            {
                throw new MistakeException("both parts would be written to the same file");
            }

            ImmutableArray<long> drawn = TableConversion.HeldOut(
                table.Profile, table.Syntax, result.GetValue(seed), result.GetValue(fraction),
                result.GetValue(stratified));
            Write(others, (otherStream, otherSyntax) => Write(
                held, (heldStream, heldSyntax) => TableConversion.Split(
                    table.Profile, table.Syntax, table.MissingTokens, drawn,
                    (otherStream, otherSyntax), (heldStream, heldSyntax))));
            TableProfile[] written = [Written(others), Written(held)];
            environment.For(result).Answer(
                new
                {
                    files = written.Select(part => new
                    {
                        file = part.Source, rows = part.Rows, sha256 = part.Sha256,
                    }),
                },
                written.Select(part =>
                    $"{part.Source}: {NumberText.Count(part.Rows)} rows, sha-256 {part.Sha256}"));
        });
        return command;
    }

    private static bool IsSpecification(string path) =>
        path.EndsWith(SpecificationEnding, StringComparison.OrdinalIgnoreCase);

    private static void RequireOther(ReadTable table, string path)
    {
        if (Path.GetFullPath(path) == Path.GetFullPath(table.Profile.Source))
        {
            throw new MistakeException($"'{path}' is the table itself; name another file");
        }
    }

    private static void Write(string path, Action<Stream, TableSyntax> write)
    {
        TableSyntax syntax = TableFiles.SyntaxOf(path, new TableSyntax.Csv());
        bool isCompressed = syntax is not TableSyntax.Parquet
            && path.EndsWith(CompressedEnding, StringComparison.OrdinalIgnoreCase);
        DurableFile.Write(path, stream =>
        {
            if (!isCompressed)
            {
                write(stream, syntax);
                return;
            }

            using var compressed =
                new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true);
            write(compressed, syntax);
        });
    }

    private static TableProfile Written(string path) => TableProfile.Of(
        path, TableFiles.SyntaxOf(path, new TableSyntax.Csv()), ReadingOptions.UsualMissing);

    private static IEnumerable<string> Lines(TableProfile profile, int width)
    {
        yield return $"{NumberText.Count(profile.Rows)} rows of {profile.Columns.Length} columns";
        yield return $"sha-256 {profile.Sha256}";
        yield return "";
        IReadOnlyList<string>[] rows =
        [
            .. profile.Columns.Select(column => (IReadOnlyList<string>)
            [
                column.Name, column.Kind.ToString().ToLowerInvariant(),
                column.Least is { } least ? NumberText.Short(least) : "",
                column.Greatest is { } greatest ? NumberText.Short(greatest) : "",
                NumberText.Count(column.Missing),
                column.Distinct is { } distinct
                    ? NumberText.Count(distinct)
                    : $"> {TableProfile.MaxDistinct}",
            ]),
        ];
        string[] head = ["column", "kind", "least", "greatest", "missing", "distinct"];
        foreach (string line in TextTable.Write(head, rows, width))
        {
            yield return line;
        }

        // The target usually stands last, or first.
        foreach (ColumnProfile column in new[] { profile.Columns[0], profile.Columns[^1] }
            .Distinct().Where(c => c.Distinct is >= 2 && c.Values.Length <= MostClassesShown))
        {
            yield return "";
            foreach (string line in Balance(column.Name, column.Values, width))
            {
                yield return line;
            }
        }
    }

    private static IEnumerable<string> Balance(
        string title, ImmutableArray<ValueCount> values, int width)
    {
        double total = values.Sum(value => value.Count);
        return TextTable.Write(
            [title, "rows", "share"],
            [
                .. values.Select(value => (IReadOnlyList<string>)
                [
                    value.Value, NumberText.Count(value.Count),
                    NumberText.Percent(total == 0 ? 0 : value.Count / total),
                ]),
            ],
            width);
    }

    private static IEnumerable<DataPart> Parts(PlannedRun run)
    {
        (string Name, IDataset? Samples, DatasetOutline? Outline)[] parts =
        [
            ("training", run.Data.Train, run.Outline.Train),
            ("validation", run.Data.Validation, run.Outline.Validation),
            ("test", run.Data.Test, run.Outline.Test),
        ];
        return
            from part in parts
            where part.Samples is not null
            select new DataPart(
                part.Name, part.Samples!.Source, part.Samples.Count,
                part.Samples.FeatureShape.ToString(), ClassesOf(part.Samples),
                part.Outline!.Sha256);
    }

    private static ImmutableArray<ValueCount> ClassesOf(IDataset samples) =>
        samples.Target is TargetSchema.Class { Positions: 1, Classes: var classes }
            ?
            [
                .. classes.Zip(
                    ClassCounts.Of(samples), (name, count) => new ValueCount(name, count)),
            ]
            : [];

    private static IEnumerable<string> Lines(DataPart part, int width)
    {
        yield return $"{part.Part}: {NumberText.Count(part.Samples)} samples of {part.Features}, "
            + part.Source;
        yield return $"sha-256 {part.Sha256}";
        if (!part.Classes.IsEmpty)
        {
            yield return "";
            foreach (string line in Balance("class", part.Classes, width))
            {
                yield return line;
            }
        }

        yield return "";
    }

    /// <summary>A part of a run's data, as programs are told of it.</summary>
    private sealed record DataPart(
        string Part, string Source, long Samples, string Features,
        ImmutableArray<ValueCount> Classes, string Sha256);

    /// <summary>A table, and how it is read.</summary>
    private sealed record ReadTable(
        TableProfile Profile, TableSyntax Syntax, ImmutableArray<string> MissingTokens);

    /// <summary>How a table is read.</summary>
    private sealed class ReadingOptions
    {
        private readonly Option<string?> _delimiter = new("--delimiter")
        {
            Description = "What stands between values of a CSV file [default: a comma]",
            HelpName = "CHAR",
        };

        private readonly Option<bool> _noHeader = new("--no-header")
        {
            Description = "The first line of a CSV file is a row; columns are called 1, 2, ...",
        };

        private readonly Option<string[]> _missing = new("--missing")
        {
            Description = "What is written for a missing value; may be given again [default: "
                + "nothing, NA, ?]",
            HelpName = "TEXT",
        };

        public ReadingOptions() => _delimiter.Validators.Add(result =>
        {
            if (result.GetValue(_delimiter) is not ([>= ' ' and < '\x7F' and not '"'] or "\t"))
            {
                result.AddError("--delimiter must be one ASCII character, and no quote");
            }
        });

        public static ImmutableArray<string> UsualMissing { get; } =
            new TableOptions { Paths = [], Target = null }.MissingTokens;

        public void AddTo(Command command)
        {
            command.Add(_delimiter);
            command.Add(_noHeader);
            command.Add(_missing);
        }

        public ReadTable Of(ParseResult result, string path)
        {
            var csv = new TableSyntax.Csv
            {
                HasHeader = !result.GetValue(_noHeader),
                Delimiter = result.GetValue(_delimiter) is { Length: 1 } text ? text[0] : ',',
            };
            TableSyntax syntax = TableFiles.SyntaxOf(path, csv);
            ImmutableArray<string> missing = result.GetValue(_missing) is { Length: > 0 } tokens
                ? [.. tokens]
                : UsualMissing;
            return new ReadTable(TableProfile.Of(path, syntax, missing), syntax, missing);
        }
    }
}
