using System.Collections.Immutable;
using Backprop.Data.Preparation;
using Backprop.Engine;

namespace Backprop.Data.Formats;

/// <summary>The columns of a table while it is read.</summary>
internal sealed class TableBuilder
{
    private readonly string _source;
    private readonly ImmutableArray<string> _names;
    private readonly TableColumnReader[] _readers;
    private readonly bool[] _isTarget;
    private readonly MissingValues _missing;
    private int _rows;

    /// <summary>A table whose first file has these columns.</summary>
    public TableBuilder(TableRows rows, TableOptions options)
    {
        _source = rows.Path;
        _names = rows.Columns;
        _missing = new MissingValues(options.MissingTokens);
        string[] targets = [.. options.Target?.ColumnNames ?? []];
        string[] needed = [.. targets, .. options.Columns.Select(column => column.Name)];
        foreach (string name in needed)
        {
            if (!_names.Contains(name))
            {
                throw new InvalidDatasetException(
                    _source, $"there is no column {Quotation.Of(name)}",
                    $"its columns are {string.Join(", ", _names)}", rows.Header);
            }
        }

        _isTarget = [.. _names.Select(name => targets.Contains(name))];
        _readers = [.. _names.Select((name, i) => ReaderOf(name, _isTarget[i], options))];
        if (_isTarget.All(isTarget => isTarget))
        {
            throw new InvalidDatasetException(
                _source, "every column is a target", "leave at least one to predict from");
        }
    }

    /// <summary>Refuses a further file whose columns are others.</summary>
    public void RequireSame(TableRows rows)
    {
        if (!rows.Columns.SequenceEqual(_names))
        {
            throw new InvalidDatasetException(
                rows.Path, $"its columns are {string.Join(", ", rows.Columns)}",
                $"in {_source}, which it goes with, they are {string.Join(", ", _names)}",
                rows.Header);
        }
    }

    /// <summary>Takes in the row that was read last.</summary>
    public void AddRow(TableRows rows)
    {
        if ((_rows + 1L) * _readers.Length > Array.MaxLength)
        {
            throw TooLarge($"more than {_rows:N0} rows of {_readers.Length:N0} columns");
        }

        DataPosition position = rows.Position;
        for (int i = 0; i < _readers.Length; i++)
        {
            if (_readers[i] is IgnoredColumnReader)
            {
                continue;
            }

            ReadOnlySpan<byte> value = rows.Value(i, out bool isNull);
            _readers[i].Add(
                value, isNull || _missing.Contains(value),
                new TablePlace(rows.Path, position, _names[i]));
        }

        _rows++;
    }

    /// <summary>What all rows come to.</summary>
    public TableDataset ToTable(TableOptions options)
    {
        Array.ForEach(_readers, reader => reader.Finish());
        TableColumnReader[] features = [.. _readers.Where((_, i) => !_isTarget[i])];
        ImmutableArray<string> names = [.. features.SelectMany(reader => reader.FeatureNames)];
        if (names.IsEmpty)
        {
            throw new InvalidDatasetException(
                _source, "every column is ignored or a target",
                "leave at least one to predict from");
        }

        if ((long)names.Length * _rows > Array.MaxLength)
        {
            throw TooLarge($"{_rows:N0} rows of {names.Length:N0} features");
        }

        (TargetSchema target, float[] targets) = Targets(options.Target);
        var samples = new InMemoryDataset(
            _source, Shape.Of(names.Length), target, Features(features, names.Length), targets,
            names, allowMissing: true);
        ImmutableArray<MissingFill> missing =
            [.. features.SelectMany(f => f.FeatureNames.Select(_ => f.Missing))];
        return new TableDataset(samples, missing, Resolve(options, features, target));
    }

    private static TableColumnReader ReaderOf(string name, bool isTarget, TableOptions options)
    {
        if (isTarget)
        {
            return ClassTargetOf(options.Target, name) is { } target
                ? NameColumnReader.OfClasses(target, ArrayDataset.MaxInferredClasses)
                : new NumericColumnReader(new TableColumn.Numeric(name), isTarget: true);
        }

        TableColumn column = options.Columns.FirstOrDefault(c => c.Name == name)
            ?? new TableColumn.Numeric(name) { Missing = options.Missing };
        return column switch
        {
            TableColumn.Numeric numeric => new NumericColumnReader(numeric, isTarget: false),
            TableColumn.Ordinal ordinal => new OrdinalColumnReader(ordinal),
            TableColumn.Categorical categorical =>
                NameColumnReader.OfCategories(categorical, TableFormat.MaxInferredCategories),
            TableColumn.Ignored ignored => new IgnoredColumnReader(ignored),
            _ => throw new InvalidOperationException($"unknown kind of column {column}"),
        };
    }

    private static TableOptions Resolve(
        TableOptions options, TableColumnReader[] features, TargetSchema target) => options with
        {
            Columns = [.. features.Select(reader => reader.Resolved)],
            Target = options.Target is null ? null : Resolve(options.Target, target),
        };

    private static TableTarget Resolve(TableTarget declared, TargetSchema found) =>
        (declared, found) switch
        {
            (TableTarget.Class one, TargetSchema.Class { Classes: var classes }) =>
                one with { Classes = classes },
            (TableTarget.Several several, TargetSchema.Several { Parts: var parts }) =>
                new TableTarget.Several(
                [
                    .. several.Targets.Zip(parts, (target, part) => KeyValuePair.Create(
                        target.Key, Resolve(target.Value, part.Schema))),
                ]),
            _ => declared,
        };

    // The target of classes whose names stand in a column; null: it has numbers.
    private static TableTarget.Class? ClassTargetOf(TableTarget? target, string column) =>
        target switch
        {
            TableTarget.Class one when one.Column == column => one,
            TableTarget.Several several => several.Targets
                .Select(part => ClassTargetOf(part.Value, column))
                .FirstOrDefault(one => one is not null),
            _ => null,
        };

    private InvalidDatasetException TooLarge(string what) => new(
        _source, $"{what} are too many to be held in memory",
        "convert the table to .npy files, which are mapped");

    private float[] Features(TableColumnReader[] readers, int width)
    {
        var features = new float[_rows * width];
        int first = 0;
        foreach (TableColumnReader reader in readers)
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

    private (TargetSchema Schema, float[] Values) Targets(TableTarget? target)
    {
        TargetSchema schema = target is null ? new TargetSchema.Values([]) : SchemaOf(target);
        string[] names = [.. target?.ColumnNames ?? []];
        var values = new float[_rows * names.Length];
        for (int i = 0; i < names.Length; i++)
        {
            TableColumnReader reader = _readers[_names.IndexOf(names[i])];
            for (int row = 0; row < _rows; row++)
            {
                Span<float> value = values.AsSpan((row * names.Length) + i, 1);
                if (reader is NameColumnReader classes)
                {
                    value[0] = classes.Index(row);
                }
                else
                {
                    reader.Encode(row, value);
                }
            }
        }

        return (schema, values);
    }

    private TargetSchema SchemaOf(TableTarget target) => target switch
    {
        TableTarget.Class one => new TargetSchema.Class(
            ((NameColumnReader)_readers[_names.IndexOf(one.Column)]).Names),
        TableTarget.Several several => new TargetSchema.Several(
        [
            .. several.Targets.Select(
                part => KeyValuePair.Create(part.Key, SchemaOf(part.Value))),
        ]),
        _ => new TargetSchema.Values(target.ColumnNames),
    };
}
