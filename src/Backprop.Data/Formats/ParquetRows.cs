using System.Collections.Immutable;
using Backprop.Data.Storage;
using Parquet;
using Parquet.Meta;
using Parquet.Schema;

namespace Backprop.Data.Formats;

/// <summary>Rows of an Apache Parquet file, a row group in memory at a time, and of it the columns
/// that are asked for. Numbers are spelt as shortly as they can be read again, so that 0.1 is 0.1
/// as in a text.</summary>
internal sealed class ParquetRows : TableRows
{
    // Columns of one value are written in a few bytes, however many rows they have; beyond this
    // many rows a group needs bytes to be believed.
    private const int FreeRows = 1 << 20;
    private const int MaxRowsOfByte = 64;

    private const string Remedy = "give a Parquet file of flat columns";

    private readonly FileStream _file;
    private readonly ParquetWindow _window;
    private readonly ParquetReader _reader;
    private readonly ImmutableArray<DataField> _fields;
    private readonly ParquetCells?[] _cells;
    private byte[] _value = new byte[256];
    private ParquetRowGroupReader? _group;
    private int _nextGroup;
    private int _groupRows;
    private int _row;
    private long _rowsBefore;

    public ParquetRows(string path)
    {
        Path = path;
        _file = DataFile.Open(path);
        try
        {
            ParquetFooter.RequireSound(_file, path);
            _window = new ParquetWindow(_file);
            _reader = Guarded(() => ParquetReader.CreateAsync(
                _window, new ParquetOptions { UseDateOnlyTypeForDates = true }));
            _fields = Guarded(() => Task.FromResult(FieldsOf(_reader.Schema)));
            Columns = RequireNames(
                path, [.. _fields.Select(field => field.Name)], "give every column its own name",
                default);
            _cells = new ParquetCells?[_fields.Length];
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    public override string Path { get; }

    public override ImmutableArray<string> Columns { get; }

    public override DataPosition Header => default;

    public override DataPosition Position => new() { Sample = _rowsBefore + _row };

    public override bool Read()
    {
        _row++;
        while (_group is null || _row >= _groupRows)
        {
            if (_nextGroup == Guarded(() => Task.FromResult(_reader.RowGroupCount)))
            {
                return false;
            }

            OpenGroup();
        }

        return true;
    }

    public override ReadOnlySpan<byte> Value(int column, out bool isNull)
    {
        ParquetCells cells = _cells[column] ??= ReadCells(column);
        int length;
        while (!cells.TryFormat(_row, _value, out length))
        {
            Array.Resize(ref _value, 2 * _value.Length);
        }

        isNull = length < 0;
        return isNull ? [] : _value.AsSpan(0, length).Trim(" \t"u8);
    }

    public override void Dispose() => _file.Dispose();

    private static ImmutableArray<DataField> FieldsOf(ParquetSchema schema) =>
    [
        .. schema.Fields.Select(field => field is DataField { IsArray: false } flat
            ? flat
            : throw new NotSupportedException(
                $"the column {Quotation.Of(field.Name)} has others in it")),
    ];

    private void OpenGroup()
    {
        _rowsBefore += _groupRows;
        Array.Clear(_cells);
        _group = Guarded(() => Task.FromResult(_reader.OpenRowGroupReader(_nextGroup)));
        _nextGroup++;
        long rows = _group.RowCount;
        if (rows < 0 || rows > FreeRows + (MaxRowsOfByte * _file.Length) || rows > Array.MaxLength)
        {
            throw new InvalidDatasetException(
                Path, $"a group of {rows:N0} rows is more than its {_file.Length:N0} bytes are "
                + "trusted with", $"write groups of at most {FreeRows:N0} rows");
        }

        _groupRows = (int)rows;
        _row = 0;
    }

    private ParquetCells ReadCells(int column)
    {
        DataField field = _fields[column];
        RequireSound(column, field);
        ParquetCells cells = ParquetCells.Of(field, _groupRows)
            ?? throw new InvalidDatasetException(
                Path, $"its values are {field.ClrType.Name}, which tables do not have",
                "write numbers, texts, dates or booleans, or ignore the column",
                new DataPosition { Column = field.Name });
        return Guarded(async () =>
        {
            await cells.ReadAsync(_group!, field).ConfigureAwait(false);
            return cells;
        });
    }

    private void RequireSound(int column, DataField field)
    {
        ColumnMetaData metadata = _group!.GetMetadata(field)?.MetaData
            ?? throw new InvalidDatasetException(
                Path, $"group {_nextGroup} of its rows does not have the column", Remedy,
                new DataPosition { Column = field.Name });
        (long start, long end) = Guarded(() => Task.FromResult(ParquetPages.RequireSound(
            _file,
            new ParquetChunk(
                Path, field.Name, metadata, _groupRows, field.IsNullable,
                _reader.Metadata!.Schema[1 + column]))));
        _window.Allow(start, end);
    }

    // The library has no exception of its own for what is not Parquet: it fails as it happens to.
    private T Guarded<T>(Func<Task<T>> read)
    {
        try
        {
            return read().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is not (InvalidDatasetException or OutOfMemoryException))
        {
            throw new InvalidDatasetException(
                Path, $"it cannot be read as Parquet: {e.Message}", Remedy, cause: e);
        }
    }
}
