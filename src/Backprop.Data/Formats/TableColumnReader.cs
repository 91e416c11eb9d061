using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Backprop.Data.Preparation;

namespace Backprop.Data.Formats;

/// <summary>Where a value of a table stands, for messages.</summary>
/// <param name="Path">The file.</param>
/// <param name="Row">The row.</param>
/// <param name="Column">The column's name.</param>
internal readonly record struct TablePlace(string Path, DataPosition Row, string Column)
{
    public InvalidDatasetException Refuse(string problem, string remedy) =>
        new(Path, problem, remedy, Row with { Column = Column });
}

/// <summary>Collects the values of one column, row by row, and hands them out as features or
/// targets.</summary>
internal abstract class TableColumnReader
{
    /// <summary>Names of the features that the column becomes.</summary>
    public abstract ImmutableArray<string> FeatureNames { get; }

    /// <summary>What stands in for a missing value.</summary>
    public virtual MissingFill Missing => default;

    /// <summary>The column's declaration with all that was found.</summary>
    public abstract TableColumn Resolved { get; }

    /// <summary>Takes one value; <paramref name="missing"/>: it is one that stands for none.
    /// </summary>
    public abstract void Add(ReadOnlySpan<byte> value, bool missing, in TablePlace place);

    /// <summary>Called once, when all values are there.</summary>
    public virtual void Finish()
    {
    }

    /// <summary>Writes a row's features; as many as there are names.</summary>
    public abstract void Encode(int row, Span<float> destination);
}

/// <summary>A column that becomes nothing.</summary>
internal sealed class IgnoredColumnReader(TableColumn.Ignored column) : TableColumnReader
{
    public override ImmutableArray<string> FeatureNames => [];

    public override TableColumn Resolved => column;

    public override void Add(ReadOnlySpan<byte> value, bool missing, in TablePlace place)
    {
    }

    public override void Encode(int row, Span<float> destination)
    {
    }
}

/// <summary>A column of numbers.</summary>
internal sealed class NumericColumnReader(TableColumn.Numeric column, bool isTarget)
    : TableColumnReader
{
    private readonly List<float> _values = [];

    public override ImmutableArray<string> FeatureNames => [column.Name];

    public override MissingFill Missing => column.Missing;

    public override TableColumn Resolved => column;

    public override void Add(ReadOnlySpan<byte> value, bool missing, in TablePlace place)
    {
        if (missing)
        {
            AddMissing(place);
            return;
        }

        if (!float.TryParse(
            value, NumberStyles.Float, CultureInfo.InvariantCulture, out float number))
        {
            throw place.Refuse(
                $"{Quotation.Of(Encoding.UTF8.GetString(value))} is not a number",
                isTarget
                    ? "a target of values has numbers such as 3.5 and 1e-3"
                    : "write a number such as 3.5 or 1e-3, or declare the column categorical, "
                    + "ordinal or ignored");
        }

        if (!float.IsFinite(number))
        {
            throw place.Refuse(
                $"{Quotation.Of(Encoding.UTF8.GetString(value))} is not finite",
                $"numbers lie within ±{float.MaxValue:g3}");
        }

        _values.Add(number);
    }

    public override void Encode(int row, Span<float> destination) => destination[0] = _values[row];

    private void AddMissing(in TablePlace place)
    {
        if (isTarget)
        {
            throw place.Refuse("the target is missing", "leave the row out, or give its target");
        }

        if (column.Missing.Policy == MissingPolicy.Error)
        {
            throw place.Refuse(
                "a value is missing",
                "give it, or state what stands in for it: mean, median or a constant");
        }

        _values.Add(float.NaN);
    }
}

/// <summary>A column of names with an order.</summary>
internal sealed class OrdinalColumnReader(TableColumn.Ordinal column) : TableColumnReader
{
    private readonly List<float> _values = [];

    public override ImmutableArray<string> FeatureNames => [column.Name];

    public override MissingFill Missing => column.Missing;

    public override TableColumn Resolved => column;

    public override void Add(ReadOnlySpan<byte> value, bool missing, in TablePlace place)
    {
        if (missing && column.Missing.Policy == MissingPolicy.Error)
        {
            throw place.Refuse(
                "a level is missing",
                "give it, or state what stands in for it: mean, median or a constant");
        }

        string level = Encoding.UTF8.GetString(value);
        int index = column.Levels.IndexOf(level, 0, StringComparer.Ordinal);
        if (index < 0 && !missing)
        {
            throw place.Refuse(
                $"{Quotation.Of(level)} is not a level of this column",
                $"its levels are {string.Join(", ", column.Levels)}");
        }

        _values.Add(missing ? float.NaN : index);
    }

    public override void Encode(int row, Span<float> destination) => destination[0] = _values[row];
}

/// <summary>A column of names: categories or classes. Names that are not given are numbered as they
/// come and put in order at the end.</summary>
internal sealed class NameColumnReader : TableColumnReader
{
    private const int MaxListed = 20;

    private readonly string _column;
    private readonly bool _isTarget;
    private readonly bool _missingIsName;
    private readonly bool _given;
    private readonly int _maxNames;
    private readonly List<string> _names;
    private readonly Dictionary<string, int> _indices;
    private readonly List<int> _rows = [];

    private NameColumnReader(
        string column, bool isTarget, bool missingIsName, ImmutableArray<string>? names,
        int maxNames)
    {
        _column = column;
        _isTarget = isTarget;
        _missingIsName = missingIsName;
        _given = names is not null;
        _maxNames = maxNames;
        _names = [.. names ?? []];
        if (_given && missingIsName && !_names.Contains(TableOptions.MissingCategory))
        {
            _names.Add(TableOptions.MissingCategory);
        }

        _indices = _names.Select((name, index) => (name, index))
            .ToDictionary(e => e.name, e => e.index, StringComparer.Ordinal);
    }

    /// <summary>The names, by index; in order once <see cref="Finish"/> was called.</summary>
    public ImmutableArray<string> Names => [.. _names];

    public override ImmutableArray<string> FeatureNames =>
        [.. _names.Select(name => $"{_column}={name}")];

    public override TableColumn Resolved => new TableColumn.Categorical(_column)
    {
        Categories = Names,
        MissingIsCategory = _missingIsName,
    };

    public static NameColumnReader OfCategories(
        TableColumn.Categorical column, int maxCategories) =>
        new(column.Name, false, column.MissingIsCategory, column.Categories, maxCategories);

    public static NameColumnReader OfClasses(TableTarget.Class target, int maxClasses) =>
        new(target.Column, true, false, target.Classes, maxClasses);

    public override void Add(ReadOnlySpan<byte> value, bool missing, in TablePlace place)
    {
        if (missing && !_missingIsName)
        {
            throw place.Refuse(
                _isTarget ? "the class is missing" : "a category is missing",
                _isTarget
                    ? "leave the row out, or give its class"
                    : "give it, or declare that a missing value is a category");
        }

        string name = missing ? TableOptions.MissingCategory : Encoding.UTF8.GetString(value);
        if (!_indices.TryGetValue(name, out int index))
        {
            index = AddName(name, place);
        }

        _rows.Add(index);
    }

    /// <summary>Numbers the names in order; those that were given keep theirs.</summary>
    public override void Finish()
    {
        if (_given)
        {
            return;
        }

        string[] sorted = NameOrder.Sorted(_names);
        int[] renumbered = [.. _names.Select(name => Array.IndexOf(sorted, name))];
        for (int i = 0; i < _rows.Count; i++)
        {
            _rows[i] = renumbered[_rows[i]];
        }

        _names.Clear();
        _names.AddRange(sorted);
    }

    public override void Encode(int row, Span<float> destination)
    {
        destination.Clear();
        destination[_rows[row]] = 1;
    }

    /// <summary>The index of a row's name.</summary>
    public int Index(int row) => _rows[row];

    private int AddName(string name, in TablePlace place)
    {
        if (_given)
        {
            throw place.Refuse(
                $"{Quotation.Of(name)} is not a {(_isTarget ? "class" : "category")} of this "
                + "column",
                $"there are {string.Join(", ", _names.Take(MaxListed))}"
                + (_names.Count > MaxListed ? ", …" : ""));
        }

        if (_names.Count == _maxNames)
        {
            throw place.Refuse(
                $"the column has more than {_maxNames:N0} different values",
                _isTarget
                    ? "declare the target as values where it is a number"
                    : "declare the column ignored, ordinal or numeric");
        }

        _names.Add(name);
        _indices.Add(name, _names.Count - 1);
        return _names.Count - 1;
    }
}
