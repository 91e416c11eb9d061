using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Schema;

namespace Backprop.Data.Formats;

/// <summary>Writes a table, value by value, in the order of its columns.</summary>
internal abstract class TableWriter
{
    /// <summary>A writer of a table's columns.</summary>
    /// <param name="stream">Takes the file; the caller disposes it.</param>
    /// <param name="syntax">How it is written.</param>
    /// <param name="columns">The columns, with what their values are.</param>
    public static TableWriter Create(
        Stream stream, TableSyntax syntax, ImmutableArray<ColumnProfile> columns) => syntax switch
        {
            TableSyntax.Csv csv => new CsvTableWriter(stream, csv, columns),
            TableSyntax.JsonLines => new JsonLinesWriter(stream, columns),
            TableSyntax.Parquet => new ParquetTableWriter(stream, columns),
            _ => throw new InvalidOperationException($"unknown syntax of a table {syntax}"),
        };

    /// <summary>Writes the row that was read last.</summary>
    /// <exception cref="InvalidDatasetException">A value cannot be written so.</exception>
    public abstract void Write(TableRows rows, MissingValues missing);

    /// <summary>Writes whatever is left, once all rows are written.</summary>
    public abstract void Finish();
}

/// <summary>Writes separated values, quoted where they must be; a missing one is written NA.
/// </summary>
internal sealed class CsvTableWriter : TableWriter
{
    private readonly StreamWriter _writer;
    private readonly TableSyntax.Csv _syntax;
    private readonly ImmutableArray<ColumnProfile> _columns;

    public CsvTableWriter(
        Stream stream, TableSyntax.Csv syntax, ImmutableArray<ColumnProfile> columns)
    {
        _writer = new StreamWriter(stream, new UTF8Encoding(false), leaveOpen: true);
        _syntax = syntax;
        _columns = columns;
        _writer.Write(string.Join(
            syntax.Delimiter, columns.Select(column => Quoted(column.Name, default, column.Name))));
        _writer.Write('\n');
    }

    public override void Write(TableRows rows, MissingValues missing)
    {
        for (int i = 0; i < _columns.Length; i++)
        {
            ReadOnlySpan<byte> value = rows.Value(i, out bool isNull);
            bool isMissing = isNull || missing.Contains(value);
            _writer.Write(i > 0 ? _syntax.Delimiter.ToString() : "");
            _writer.Write(isMissing
                ? "NA"
                : Quoted(Encoding.UTF8.GetString(value), rows.Position, _columns[i].Name));
        }

        _writer.Write('\n');
    }

    public override void Finish() => _writer.Dispose();

    private string Quoted(string value, DataPosition row, string column)
    {
        if (value.AsSpan().ContainsAny('\r', '\n'))
        {
            throw new InvalidDatasetException(
                column, $"the value {Quotation.Of(value)} has a line break",
                "write it as JSON lines or Parquet", row with { Column = column });
        }

        return value.AsSpan().ContainsAny(_syntax.Delimiter, '"')
            ? $"\"{value.Replace("\"", "\"\"", StringComparison.Ordinal)}\""
            : value;
    }
}

/// <summary>Writes a JSON object a line: numbers of columns that are numeric, else texts.</summary>
internal sealed class JsonLinesWriter(Stream stream, ImmutableArray<ColumnProfile> columns)
    : TableWriter
{
    private readonly Utf8JsonWriter _json = new(stream);

    public override void Write(TableRows rows, MissingValues missing)
    {
        _json.WriteStartObject();
        for (int i = 0; i < columns.Length; i++)
        {
            ReadOnlySpan<byte> value = rows.Value(i, out bool isNull);
            _json.WritePropertyName(columns[i].Name);
            if (isNull || missing.Contains(value))
            {
                _json.WriteNullValue();
            }
            else if (columns[i].Kind == ColumnKind.Text)
            {
                _json.WriteStringValue(value);
            }
            else
            {
                WriteNumber(value);
            }
        }

        _json.WriteEndObject();
        _json.Flush();
        stream.Write("\n"u8);
        _json.Reset();
    }

    public override void Finish() => _json.Dispose();

    // What is a number to a table may be none to JSON: +3, 007, .5
    private void WriteNumber(ReadOnlySpan<byte> value)
    {
        if (IsJsonNumber(value))
        {
            _json.WriteRawValue(value, skipInputValidation: true);
        }
        else
        {
            _json.WriteNumberValue(
                double.Parse(value, NumberStyles.Float, CultureInfo.InvariantCulture));
        }
    }

    private static bool IsJsonNumber(ReadOnlySpan<byte> value)
    {
        try
        {
            var reader = new Utf8JsonReader(value);
            return reader.Read() && reader.TokenType == JsonTokenType.Number && !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }
}

/// <summary>Writes Parquet: 64-bit integers, doubles and texts, all of which may be missing.
/// </summary>
internal sealed class ParquetTableWriter : TableWriter
{
    private const int GroupRows = 1 << 17;

    private readonly ParquetWriter _writer;
    private readonly DataField[] _fields;
    private readonly List<string?>[] _values;

    public ParquetTableWriter(Stream stream, ImmutableArray<ColumnProfile> columns)
    {
        _fields = [.. columns.Select(FieldOf)];
        _values = [.. columns.Select(_ => new List<string?>())];
        _writer = ParquetWriter.CreateAsync(new ParquetSchema(_fields), stream)
            .GetAwaiter().GetResult();
    }

    public override void Write(TableRows rows, MissingValues missing)
    {
        for (int i = 0; i < _fields.Length; i++)
        {
            ReadOnlySpan<byte> value = rows.Value(i, out bool isNull);
            _values[i].Add(
                isNull || missing.Contains(value) ? null : Encoding.UTF8.GetString(value));
        }

        if (_values[0].Count == GroupRows)
        {
            WriteGroupAsync().GetAwaiter().GetResult();
        }
    }

    public override void Finish()
    {
        if (_values[0].Count > 0)
        {
            WriteGroupAsync().GetAwaiter().GetResult();
        }

        _writer.DisposeAsync().AsTask().GetAwaiter().GetResult();
    }

    private static DataField FieldOf(ColumnProfile column) => column.Kind switch
    {
        ColumnKind.Whole => new DataField<long?>(column.Name),
        ColumnKind.Number => new DataField<double?>(column.Name),
        _ => new DataField<string>(column.Name, nullable: true),
    };

    private async Task WriteGroupAsync()
    {
        using ParquetRowGroupWriter group = _writer.CreateRowGroup();
        for (int i = 0; i < _fields.Length; i++)
        {
            DataField field = _fields[i];
            if (field.ClrType == typeof(long))
            {
                await group.WriteAsync<long>(field, Parsed<long>(_values[i])).ConfigureAwait(false);
            }
            else if (field.ClrType == typeof(double))
            {
                await group.WriteAsync<double>(field, Parsed<double>(_values[i]))
                    .ConfigureAwait(false);
            }
            else
            {
                await group.WriteAsync(field, _values[i]!).ConfigureAwait(false);
            }

            _values[i].Clear();
        }

        group.CompleteValidate();
    }

    private static ReadOnlyMemory<T?> Parsed<T>(List<string?> values)
        where T : struct, System.Numerics.INumber<T> =>
        values.Select(value => value is null
            ? (T?)null
            : T.Parse(value, NumberStyles.Float, CultureInfo.InvariantCulture)).ToArray();
}
