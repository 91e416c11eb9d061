using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Backprop.Data.Formats;

/// <summary>What the values of a column are.</summary>
public enum ColumnKind
{
    /// <summary>All are missing.</summary>
    Empty,

    /// <summary>Whole numbers.</summary>
    Whole,

    /// <summary>Finite numbers.</summary>
    Number,

    /// <summary>Texts, one of them at least no number.</summary>
    Text,
}

/// <summary>What is in a column.</summary>
/// <param name="Name">The column.</param>
/// <param name="Kind">What its values are.</param>
/// <param name="Missing">How many are missing.</param>
/// <param name="Least">The least number; null: they are no numbers.</param>
/// <param name="Greatest">The greatest number; null: they are no numbers.</param>
/// <param name="Distinct">How many different values there are; null: more than
/// <see cref="TableProfile.MaxDistinct"/>.</param>
public sealed record ColumnProfile(
    string Name, ColumnKind Kind, long Missing, double? Least, double? Greatest, int? Distinct)
{
    /// <summary>The values and how often each occurs, sorted as classes are; empty: there are more
    /// than <see cref="TableProfile.MaxDistinct"/>.</summary>
    public ImmutableArray<ValueCount> Values { get; init; } = [];
}

/// <summary>How often a value occurs.</summary>
/// <param name="Value">The value.</param>
/// <param name="Count">How often.</param>
public readonly record struct ValueCount(string Value, long Count);

/// <summary>What is in a table, found by reading it.</summary>
/// <param name="Source">The file.</param>
/// <param name="Rows">Rows.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="Sha256">Of names and values, in lower-case hex: the same in whatever syntax the
/// table is written.</param>
public sealed record TableProfile(
    string Source, long Rows, ImmutableArray<ColumnProfile> Columns, string Sha256)
{
    /// <summary>The most different values of a column that are counted.</summary>
    public const int MaxDistinct = 256;

    /// <summary>Reads a table twice: for its columns' kinds, and for its digest.</summary>
    /// <param name="path">The file.</param>
    /// <param name="syntax">How it is written.</param>
    /// <param name="missingTokens">What is written for a missing value.</param>
    /// <exception cref="InvalidDatasetException">The file is not what it should be.</exception>
    public static TableProfile Of(
        string path, TableSyntax syntax, ImmutableArray<string> missingTokens)
    {
        var missing = new MissingValues(missingTokens);
        ColumnSurvey[] surveys;
        long rowCount = 0;
        using (TableRows rows = TableRows.Open(path, syntax))
        {
            surveys = [.. rows.Columns.Select(name => new ColumnSurvey(name))];
            for (; rows.Read(); rowCount++)
            {
                for (int i = 0; i < surveys.Length; i++)
                {
                    ReadOnlySpan<byte> value = rows.Value(i, out bool isNull);
                    surveys[i].Add(value, isNull || missing.Contains(value));
                }
            }
        }

        ImmutableArray<ColumnProfile> columns = [.. surveys.Select(survey => survey.Profile)];
        return new TableProfile(path, rowCount, columns, Digest(path, syntax, missing, columns));
    }

    private static string Digest(
        string path, TableSyntax syntax, MissingValues missing,
        ImmutableArray<ColumnProfile> columns)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (ColumnProfile column in columns)
        {
            AppendText(hash, Encoding.UTF8.GetBytes(column.Name));
        }

        using TableRows rows = TableRows.Open(path, syntax);
        while (rows.Read())
        {
            for (int i = 0; i < columns.Length; i++)
            {
                ReadOnlySpan<byte> value = rows.Value(i, out bool isNull);
                Append(hash, columns[i].Kind, value, isNull || missing.Contains(value));
            }
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(
        IncrementalHash hash, ColumnKind kind, ReadOnlySpan<byte> value, bool isMissing)
    {
        const byte Missing = 0, Present = 1;
        hash.AppendData([isMissing ? Missing : Present]);
        if (isMissing)
        {
            return;
        }

        Span<byte> number = stackalloc byte[sizeof(double)];
        switch (kind)
        {
            case ColumnKind.Whole:
                BinaryPrimitives.WriteInt64LittleEndian(
                    number, long.Parse(value, NumberStyles.Float, CultureInfo.InvariantCulture));
                hash.AppendData(number);
                break;
            case ColumnKind.Number:
                BinaryPrimitives.WriteDoubleLittleEndian(
                    number, double.Parse(value, NumberStyles.Float, CultureInfo.InvariantCulture));
                hash.AppendData(number);
                break;
            default:
                AppendText(hash, value);
                break;
        }
    }

    private static void AppendText(IncrementalHash hash, ReadOnlySpan<byte> text)
    {
        Span<byte> length = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
        hash.AppendData(length);
        hash.AppendData(text);
    }

    /// <summary>A column while it is read.</summary>
    private sealed class ColumnSurvey(string name)
    {
        private readonly Dictionary<string, long> _counts = new(StringComparer.Ordinal);
        private ColumnKind _kind = ColumnKind.Empty;
        private double _least = double.PositiveInfinity;
        private double _greatest = double.NegativeInfinity;
        private long _missing;
        private bool _hasTooMany;

        public ColumnProfile Profile
        {
            get
            {
                bool isNumeric = _kind is ColumnKind.Whole or ColumnKind.Number;
                return new ColumnProfile(
                    name, _kind, _missing, isNumeric ? _least : null,
                    isNumeric ? _greatest : null, _hasTooMany ? null : _counts.Count)
                {
                    Values = _hasTooMany
                        ? []
                        :
                        [
                            .. NameOrder.Sorted(_counts.Keys)
                                .Select(value => new ValueCount(value, _counts[value])),
                        ],
                };
            }
        }

        public void Add(ReadOnlySpan<byte> value, bool isMissing)
        {
            if (isMissing)
            {
                _missing++;
                return;
            }

            Classify(value);
            if (_hasTooMany)
            {
                return;
            }

            string text = Encoding.UTF8.GetString(value);
            _counts[text] = _counts.GetValueOrDefault(text) + 1;
            if (_counts.Count > MaxDistinct)
            {
                _counts.Clear();
                _hasTooMany = true;
            }
        }

        private void Classify(ReadOnlySpan<byte> value)
        {
            if (_kind == ColumnKind.Text)
            {
                return;
            }

            bool isNumber = double.TryParse(
                value, NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                && double.IsFinite(number);
            if (!isNumber)
            {
                _kind = ColumnKind.Text;
                return;
            }

            _least = Math.Min(_least, number);
            _greatest = Math.Max(_greatest, number);
            bool isWhole = long.TryParse(
                value, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
            _kind = isWhole && _kind != ColumnKind.Number ? ColumnKind.Whole : ColumnKind.Number;
        }
    }
}
