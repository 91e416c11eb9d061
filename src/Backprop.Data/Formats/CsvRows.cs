using System.Collections.Immutable;
using System.Globalization;
using Backprop.Data.Storage;
using CsvHelper;

namespace Backprop.Data.Formats;

/// <summary>Rows of a file of separated values.</summary>
internal sealed class CsvRows : TableRows
{
    private const int MaxLineBytes = 16 << 20;

    private readonly Stream _stream;
    private readonly CsvReader _reader;

    // Whether the line that gave the names is a row as well, and was not handed out yet.
    private bool _isFirstRow;

    public CsvRows(string path, TableSyntax.Csv syntax)
    {
        Path = path;
        _stream = DataFile.OpenText(path);
        try
        {
            _reader = CsvReader.Create(_stream, OptionsOf(syntax), true);
            if (!Next())
            {
                throw new InvalidDatasetException(path, "there are no lines", "give a table");
            }

            _isFirstRow = !syntax.HasHeader;
            Header = syntax.HasHeader ? Position : default;
            Columns = syntax.HasHeader ? ReadHeader() : Numbered(_reader.FieldCount);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public override string Path { get; }

    public override ImmutableArray<string> Columns { get; }

    public override DataPosition Header { get; }

    public override DataPosition Position => new() { Line = _reader.LineNumber };

    public override bool Read()
    {
        if (!_isFirstRow && !Next())
        {
            return false;
        }

        _isFirstRow = false;
        if (_reader.FieldCount != Columns.Length)
        {
            throw new InvalidDatasetException(
                Path,
                $"the line has {_reader.FieldCount} values where the table has {Columns.Length} "
                + "columns",
                _reader.FieldCount < Columns.Length
                    ? $"the first that is missing is '{Columns[_reader.FieldCount]}'"
                    : "quote values that hold the delimiter",
                Position);
        }

        return true;
    }

    public override ReadOnlySpan<byte> Value(int column, out bool isNull)
    {
        isNull = false;
        return _reader.GetSpan(column);
    }

    public override void Dispose()
    {
        _reader?.Dispose();
        _stream.Dispose();
    }

    private static CsvReaderOptions OptionsOf(TableSyntax.Csv syntax) => new()
    {
        Separator = syntax.Delimiter,
        HasHeader = false,
        AllowLineBreaksInQuotes = false,
        MalformedData = CsvMalformedDataHandling.Throw,
        MaxRecordSize = MaxLineBytes,
        TrackLineNumbers = true,
        TrimWhitespace = true,
    };

    private static ImmutableArray<string> Numbered(int count) =>
        [.. Enumerable.Range(1, count).Select(i => i.ToString(CultureInfo.InvariantCulture))];

    private bool Next()
    {
        try
        {
            return _reader.Read();
        }
        catch (CsvFormatException e)
        {
            throw new InvalidDatasetException(
                Path, e.Message, "give lines of separated values, quoted where they must be",
                new DataPosition { Line = e.LineNumber > 0 ? e.LineNumber : null }, e);
        }
    }

    private ImmutableArray<string> ReadHeader() => RequireNames(
        Path, [.. Enumerable.Range(0, _reader.FieldCount).Select(i => _reader.GetString(i))],
        "give every column a name of its own, or state that there is no header", Position);
}
