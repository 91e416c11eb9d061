using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Backprop.Data.Preparation;
using Backprop.Data.Storage;
using Backprop.Engine;
using CsvHelper;

namespace Backprop.Data.Formats;

/// <summary>Reads tables of separated values. A table is held in memory; data that are larger than
/// that belong into <c>.npy</c> files.</summary>
public static class CsvFormat
{
    /// <summary>The most categories that a column may be found to have: a column of identifiers
    /// shall not become a million features.</summary>
    public const int MaxInferredCategories = 1024;

    private const int MaxLineBytes = 16 << 20;

    /// <summary>Reads a table.</summary>
    /// <exception cref="InvalidDatasetException">A file is not what it should be; the message says
    /// in which line and column, and what would be right.</exception>
    public static CsvTable Open(CsvOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfZero(options.Paths.Length, nameof(options));
        TableColumns? columns = null;
        foreach (string path in options.Paths)
        {
            using FileStream file = DataFile.Open(path);
            try
            {
                using CsvReader reader = CsvReader.Create(file, ReaderOptions(options), true);
                columns = ReadFile(reader, path, options, columns);
            }
            catch (CsvFormatException e)
            {
                throw new InvalidDatasetException(
                    path, e.Message, "give lines of separated values, quoted where they must be",
                    new DataPosition { Line = e.LineNumber > 0 ? e.LineNumber : null }, e);
            }
        }

        return columns!.ToTable(options);
    }

    private static CsvReaderOptions ReaderOptions(CsvOptions options) => new()
    {
        Separator = options.Delimiter,
        HasHeader = false,
        AllowLineBreaksInQuotes = false,
        MalformedData = CsvMalformedDataHandling.Throw,
        MaxRecordSize = MaxLineBytes,
        TrackLineNumbers = true,
        TrimWhitespace = true,
    };

    private static TableColumns ReadFile(
        CsvReader reader, string path, CsvOptions options, TableColumns? columns)
    {
        if (!reader.Read())
        {
            throw new InvalidDatasetException(path, "there are no lines", "give a table");
        }

        ImmutableArray<string> names = options.HasHeader
            ? ReadHeader(reader, path)
            : [.. Enumerable.Range(1, reader.FieldCount)
                .Select(i => i.ToString(CultureInfo.InvariantCulture))];
        if (columns is null)
        {
            columns = new TableColumns(path, names, options);
        }
        else
        {
            columns.RequireSame(path, names);
        }

        bool more = !options.HasHeader || reader.Read();
        if (!more)
        {
            throw new InvalidDatasetException(
                path, "there are no rows below the header", "give at least one row");
        }

        while (more)
        {
            columns.AddRow(reader, path);
            more = reader.Read();
        }

        return columns;
    }

    private static ImmutableArray<string> ReadHeader(CsvReader reader, string path)
    {
        var names = ImmutableArray.CreateBuilder<string>(reader.FieldCount);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < reader.FieldCount; i++)
        {
            string name = reader.GetString(i);
            if (name.Length == 0 || !seen.Add(name))
            {
                throw new InvalidDatasetException(
                    path,
                    name.Length == 0
                        ? $"column {i + 1} has no name"
                        : $"two columns are named {Quotation.Of(name)}",
                    "give every column a name of its own, or state that there is no header",
                    new DataPosition { Line = reader.LineNumber });
            }

            names.Add(name);
        }

        return names.MoveToImmutable();
    }

    /// <summary>The columns of a table while it is read.</summary>
    private sealed class TableColumns
    {
        private readonly string _source;
        private readonly ImmutableArray<string> _names;
        private readonly CsvColumnReader[] _readers;
        private readonly bool[] _isTarget;
        private readonly byte[][] _missingTokens;
        private int _rows;

        public TableColumns(string path, ImmutableArray<string> names, CsvOptions options)
        {
            _source = path;
            _names = names;
            _missingTokens =
                [.. options.MissingTokens.Select(token => Encoding.UTF8.GetBytes(token))];
            string[] targets = TargetNames(options.Target);
            string[] needed = [.. targets, .. options.Columns.Select(column => column.Name)];
            foreach (string name in needed)
            {
                if (!names.Contains(name))
                {
                    throw new InvalidDatasetException(
                        path, $"there is no column {Quotation.Of(name)}",
                        $"its columns are {string.Join(", ", names)}",
                        options.HasHeader ? new DataPosition { Line = 1 } : default);
                }
            }

            _isTarget = [.. names.Select(name => targets.Contains(name))];
            _readers = [.. names.Select((name, i) => ReaderOf(name, _isTarget[i], options))];
            if (_isTarget.All(isTarget => isTarget))
            {
                throw new InvalidDatasetException(
                    path, "every column is a target", "leave at least one to predict from");
            }
        }

        public void RequireSame(string path, ImmutableArray<string> names)
        {
            if (!names.SequenceEqual(_names))
            {
                throw new InvalidDatasetException(
                    path, $"its columns are {string.Join(", ", names)}",
                    $"in {_source}, which it goes with, they are {string.Join(", ", _names)}",
                    new DataPosition { Line = 1 });
            }
        }

        public void AddRow(CsvReader reader, string path)
        {
            if (reader.FieldCount != _names.Length)
            {
                throw new InvalidDatasetException(
                    path,
                    $"the line has {reader.FieldCount} values where the table has {_names.Length} "
                    + "columns",
                    reader.FieldCount < _names.Length
                        ? $"the first that is missing is '{_names[reader.FieldCount]}'"
                        : "quote values that hold the delimiter",
                    new DataPosition { Line = reader.LineNumber });
            }

            for (int i = 0; i < _readers.Length; i++)
            {
                ReadOnlySpan<byte> value = reader.GetSpan(i);
                var place = new CsvPlace(path, reader.LineNumber, _names[i]);
                _readers[i].Add(value, IsMissing(value), place);
            }

            _rows++;
        }

        public CsvTable ToTable(CsvOptions options)
        {
            Array.ForEach(_readers, reader => reader.Finish());
            CsvColumnReader[] features = [.. _readers.Where((_, i) => !_isTarget[i])];
            ImmutableArray<string> names = [.. features.SelectMany(reader => reader.FeatureNames)];
            if (names.IsEmpty)
            {
                throw new InvalidDatasetException(
                    _source, "every column is ignored or a target",
                    "leave at least one to predict from");
            }

            if ((long)names.Length * _rows > Array.MaxLength)
            {
                throw new InvalidDatasetException(
                    _source, $"{_rows:N0} rows of {names.Length:N0} features are too many to be "
                    + "held in memory", "convert the table to .npy files, which are mapped");
            }

            (TargetSchema target, float[] targets) = Targets(options.Target);
            var samples = new InMemoryDataset(
                _source, Shape.Of(names.Length), target, Features(features, names.Length), targets,
                names, allowMissing: true);
            ImmutableArray<MissingFill> missing =
                [.. features.SelectMany(f => f.FeatureNames.Select(_ => f.Missing))];
            return new CsvTable(samples, missing, Resolve(options, features, target));
        }

        private static string[] TargetNames(CsvTarget? target) => target switch
        {
            CsvTarget.Class one => [one.Column],
            CsvTarget.Values some => [.. some.Columns],
            _ => [],
        };

        private static CsvColumnReader ReaderOf(string name, bool isTarget, CsvOptions options)
        {
            if (isTarget)
            {
                return options.Target is CsvTarget.Class target
                    ? NameColumnReader.OfClasses(target, ArrayDataset.MaxInferredClasses)
                    : new NumericColumnReader(new CsvColumn.Numeric(name), isTarget: true);
            }

            CsvColumn column = options.Columns.FirstOrDefault(c => c.Name == name)
                ?? new CsvColumn.Numeric(name) { Missing = options.Missing };
            return column switch
            {
                CsvColumn.Numeric numeric => new NumericColumnReader(numeric, isTarget: false),
                CsvColumn.Ordinal ordinal => new OrdinalColumnReader(ordinal),
                CsvColumn.Categorical categorical =>
                    NameColumnReader.OfCategories(categorical, MaxInferredCategories),
                CsvColumn.Ignored ignored => new IgnoredColumnReader(ignored),
                _ => throw new InvalidOperationException($"unknown kind of column {column}"),
            };
        }

        private static CsvOptions Resolve(
            CsvOptions options, CsvColumnReader[] features, TargetSchema target) => options with
            {
                Columns = [.. features.Select(reader => reader.Resolved)],
                Target = (options.Target, target) switch
                {
                    (CsvTarget.Class declared, TargetSchema.Class found) =>
                        declared with { Classes = found.Classes },
                    _ => options.Target,
                },
            };

        private bool IsMissing(ReadOnlySpan<byte> value)
        {
            foreach (byte[] token in _missingTokens)
            {
                if (value.SequenceEqual(token))
                {
                    return true;
                }
            }

            return false;
        }

        private float[] Features(CsvColumnReader[] readers, int width)
        {
            var features = new float[_rows * width];
            int first = 0;
            foreach (CsvColumnReader reader in readers)
            {
                int columnWidth = reader.FeatureNames.Length;
                for (int row = 0; row < _rows; row++)
                {
                    reader.Encode(row, features.AsSpan((row * width) + first, columnWidth));
                }

                first += columnWidth;
            }

            return features;
        }

        private (TargetSchema Schema, float[] Values) Targets(CsvTarget? target)
        {
            if (target is CsvTarget.Class classes)
            {
                var reader = (NameColumnReader)_readers[_names.IndexOf(classes.Column)];
                float[] labels =
                    [.. Enumerable.Range(0, _rows).Select(row => (float)reader.Index(row))];
                return (new TargetSchema.Class(reader.Names), labels);
            }

            string[] names = TargetNames(target);
            var values = new float[_rows * names.Length];
            for (int i = 0; i < names.Length; i++)
            {
                CsvColumnReader reader = _readers[_names.IndexOf(names[i])];
                for (int row = 0; row < _rows; row++)
                {
                    reader.Encode(row, values.AsSpan((row * names.Length) + i, 1));
                }
            }

            return (new TargetSchema.Values([.. names]), values);
        }
    }
}
