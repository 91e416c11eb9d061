using System.Globalization;
using System.Text;
using Parquet;
using Parquet.Schema;

namespace Backprop.Data.Formats;

/// <summary>The values of a column in one row group.</summary>
internal abstract class ParquetCells
{
    /// <summary>What <see cref="TryFormat"/> gives for the length of a value that is not there.
    /// </summary>
    protected const int NoValue = -1;

    /// <summary>Room for a column's values; null: they are of a kind that tables do not have.
    /// </summary>
    public static ParquetCells? Of(DataField field, int rows) => Type.GetTypeCode(field.ClrType)
        switch
        {
            TypeCode.Boolean => new BooleanCells(rows),
            TypeCode.SByte => new NumberCells<sbyte>(rows),
            TypeCode.Byte => new NumberCells<byte>(rows),
            TypeCode.Int16 => new NumberCells<short>(rows),
            TypeCode.UInt16 => new NumberCells<ushort>(rows),
            TypeCode.Int32 => new NumberCells<int>(rows),
            TypeCode.UInt32 => new NumberCells<uint>(rows),
            TypeCode.Int64 => new NumberCells<long>(rows),
            TypeCode.UInt64 => new NumberCells<ulong>(rows),
            TypeCode.Single => new NumberCells<float>(rows),
            TypeCode.Double => new NumberCells<double>(rows),
            TypeCode.Decimal => new NumberCells<decimal>(rows),
            TypeCode.DateTime => new NumberCells<DateTime>(rows, "O"),
            _ when field.ClrType == typeof(DateOnly) => new NumberCells<DateOnly>(rows, "O"),
            _ when field.ClrType == typeof(ReadOnlyMemory<char>) => new TextCells(rows),
            _ => null,
        };

    /// <summary>Reads the column.</summary>
    public abstract Task ReadAsync(ParquetRowGroupReader group, DataField field);

    /// <summary>Writes a value as UTF-8; false: there is not room enough.</summary>
    /// <param name="row">In the group, from 0.</param>
    /// <param name="destination">Takes the value.</param>
    /// <param name="length">Bytes written; below 0: there is no value.</param>
    public abstract bool TryFormat(int row, Span<byte> destination, out int length);

    /// <summary>Values by row. The library's own arrays of values that may be missing are of
    /// memory that others have used.</summary>
    private abstract class RowCells<T>(int rows) : ParquetCells
        where T : struct
    {
        private readonly T[] _values = new T[rows];
        private readonly int[] _levels = new int[rows];
        private bool _isNullable;

        public override async Task ReadAsync(ParquetRowGroupReader group, DataField field)
        {
            _isNullable = field.IsNullable;
            await group.ReadRawAsync<T>(
                field, _values, _isNullable ? _levels : default(Memory<int>?), null)
                .ConfigureAwait(false);
            if (_isNullable)
            {
                Spread();
            }

            RequireModest(_values, group.GetMetadata(field)!.MetaData!.TotalCompressedSize);
        }

        /// <summary>The value of a row; false: there is none.</summary>
        protected bool TryGet(int row, out T value)
        {
            value = _values[row];
            return !_isNullable || _levels[row] > 0;
        }

        /// <summary>Refuses values that come to too much when they are spelt out.</summary>
        protected virtual void RequireModest(ReadOnlySpan<T> values, long compressedBytes)
        {
        }

        // Values that are there lie at the beginning, in the order of their rows.
        private void Spread()
        {
            int next = _levels.AsSpan().Count(1);
            for (int row = _values.Length - 1; row >= 0; row--)
            {
                _values[row] = _levels[row] > 0 ? _values[--next] : default;
            }
        }
    }

    /// <summary>Numbers, and dates as ISO 8601 writes them.</summary>
    private sealed class NumberCells<T>(int rows, string format = "") : RowCells<T>(rows)
        where T : struct, IUtf8SpanFormattable
    {
        public override bool TryFormat(int row, Span<byte> destination, out int length)
        {
            if (TryGet(row, out T value))
            {
                return value.TryFormat(
                    destination, out length, format, CultureInfo.InvariantCulture);
            }

            length = NoValue;
            return true;
        }
    }

    private sealed class BooleanCells(int rows) : RowCells<bool>(rows)
    {
        public override bool TryFormat(int row, Span<byte> destination, out int length)
        {
            bool isThere = TryGet(row, out bool value);
            ReadOnlySpan<byte> text = value ? "true"u8 : "false"u8;
            length = isThere ? text.Length : NoValue;
            return length == NoValue || text.TryCopyTo(destination);
        }
    }

    private sealed class TextCells(int rows) : RowCells<ReadOnlyMemory<char>>(rows)
    {
        // Rows may all refer to one long text of a dictionary.
        private const long FreeCharacters = 1 << 28;
        private const long CharactersOfByte = 1040;

        public override bool TryFormat(int row, Span<byte> destination, out int length)
        {
            length = NoValue;
            return !TryGet(row, out ReadOnlyMemory<char> text)
                || Encoding.UTF8.TryGetBytes(text.Span, destination, out length);
        }

        protected override void RequireModest(
            ReadOnlySpan<ReadOnlyMemory<char>> values, long compressedBytes)
        {
            long characters = 0;
            foreach (ReadOnlyMemory<char> value in values)
            {
                characters += value.Length;
            }

            if (characters > FreeCharacters + (CharactersOfByte * compressedBytes))
            {
                throw new InvalidDataException(
                    $"{compressedBytes:N0} bytes come to texts of {characters:N0} characters");
            }
        }
    }
}
