using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Backprop.Data.Storage;

namespace Backprop.Data.Formats;

/// <summary>Rows of a file with a JSON object a line. Numbers keep their spelling, blanks around a
/// text do not count, as in CSV.</summary>
internal sealed class JsonLinesRows : TableRows
{
    private const int MaxLineBytes = 16 << 20;
    private const int FirstBufferBytes = 1 << 12;
    private const string Remedy = "give an object a line, such as {\"size\": 3.5, \"kind\": \"a\"}";

    private readonly Stream _stream;
    private readonly LineReader _lines;
    private readonly Dictionary<string, int> _indices;
    private readonly Cell[] _cells;
    private byte[] _values = new byte[FirstBufferBytes];
    private int _filled;

    // Whether the line that gave the names was not handed out as a row yet.
    private bool _isFirstRow = true;

    public JsonLinesRows(string path)
    {
        Path = path;
        _stream = DataFile.OpenText(path);
        try
        {
            _lines = new LineReader(_stream, path, MaxLineBytes);
            if (!_lines.Read())
            {
                throw new InvalidDatasetException(path, "there are no lines", Remedy);
            }

            Header = Position;
            Columns = RequireNames(path, ReadNames(), "give every key once", Header);
            _indices = Columns.Select((name, index) => (name, index))
                .ToDictionary(e => e.name, e => e.index, StringComparer.Ordinal);
            _cells = new Cell[Columns.Length];
            ReadCells();
        }
        catch
        {
            _stream.Dispose();
            throw;
        }
    }

    public override string Path { get; }

    public override ImmutableArray<string> Columns { get; }

    public override DataPosition Header { get; }

    public override DataPosition Position => new() { Line = _lines.Number };

    public override bool Read()
    {
        if (_isFirstRow)
        {
            _isFirstRow = false;
            return true;
        }

        if (!_lines.Read())
        {
            return false;
        }

        ReadCells();
        return true;
    }

    public override ReadOnlySpan<byte> Value(int column, out bool isNull)
    {
        Cell cell = _cells[column];
        isNull = !cell.IsThere;
        return _values.AsSpan(cell.Start, cell.Length);
    }

    public override void Dispose() => _stream.Dispose();

    private ImmutableArray<string> ReadNames()
    {
        try
        {
            var names = ImmutableArray.CreateBuilder<string>();
            var json = new Utf8JsonReader(_lines.Line);
            RequireObject(ref json);
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                names.Add(json.GetString()!);
                json.Skip();
            }

            return names.ToImmutable();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw NoJson(e);
        }
    }

    private void ReadCells()
    {
        Array.Clear(_cells);
        _filled = 0;
        try
        {
            var json = new Utf8JsonReader(_lines.Line);
            RequireObject(ref json);
            int likely = 0;
            while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
            {
                int column = ColumnOf(ref json, likely);
                json.Read();
                AddCell(ref json, column);
                likely = column + 1;
            }

            // Whatever follows the object is a mistake, of which the reader tells.
            while (json.Read())
            {
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw NoJson(e);
        }
    }

    private void RequireObject(ref Utf8JsonReader json)
    {
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
        {
            throw new InvalidDatasetException(Path, "the line is no JSON object", Remedy, Position);
        }
    }

    // Most lines have their keys in the order of the first.
    private int ColumnOf(ref Utf8JsonReader json, int likely)
    {
        int column = likely < Columns.Length && json.ValueTextEquals(Columns[likely])
            ? likely
            : _indices.GetValueOrDefault(json.GetString()!, -1);
        if (column < 0)
        {
            throw new InvalidDatasetException(
                Path, $"there is no column {Quotation.Of(json.GetString()!)}",
                $"the first line has {string.Join(", ", Columns)}; give it every key, with null "
                + "for a value that is missing",
                Position);
        }

        return !_cells[column].IsSeen
            ? column
            : throw new InvalidDatasetException(
                Path, "the key stands twice in the object", "give every key once",
                Position with { Column = Columns[column] });
    }

    private void AddCell(ref Utf8JsonReader json, int column)
    {
        ReadOnlySpan<byte> text = json.TokenType switch
        {
            JsonTokenType.Number => json.ValueSpan,
            JsonTokenType.True => "true"u8,
            JsonTokenType.False => "false"u8,
            JsonTokenType.String => Unescaped(ref json),
            JsonTokenType.Null => default,
            _ => throw new InvalidDatasetException(
                Path, "the value is an object or an array",
                "a table has numbers, texts, true, false and null",
                Position with { Column = Columns[column] }),
        };
        _cells[column] = new Cell(
            _filled, text.Length, json.TokenType != JsonTokenType.Null, IsSeen: true);
        Reserve(text.Length);
        text.CopyTo(_values.AsSpan(_filled));
        _filled += text.Length;
    }

    private ReadOnlySpan<byte> Unescaped(ref Utf8JsonReader json)
    {
        Reserve(json.ValueSpan.Length);
        int length = json.CopyString(_values.AsSpan(_filled));
        return _values.AsSpan(_filled, length).Trim(" \t"u8);
    }

    private void Reserve(int bytes)
    {
        if (_values.Length - _filled < bytes)
        {
            Array.Resize(ref _values, Math.Max(2 * _values.Length, _filled + bytes));
        }
    }

    private InvalidDatasetException NoJson(Exception cause) => new(
        Path, $"the line is no JSON object: {cause.Message}", Remedy, Position, cause);

    private readonly record struct Cell(int Start, int Length, bool IsThere, bool IsSeen);
}
