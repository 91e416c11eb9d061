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

    /// <summary>Values of a primitive type.</summary>
    private abstract class PrimitiveCells<T>(int rows) : ParquetCells
        where T : struct
    {
        protected T?[] Values { get; } = new T?[rows];

        public override async Task ReadAsync(ParquetRowGroupReader group, DataField field)
        {
            if (field.IsNullable)
            {
                await group.ReadAsync(field, Values.AsMemory()).ConfigureAwait(false);
                return;
            }

            var values = new T[Values.Length];
            await group.ReadAsync(field, values.AsMemory()).ConfigureAwait(false);
            for (int row = 0; row < values.Length; row++)
            {
                Values[row] = values[row];
            }
        }
    }

    /// <summary>Numbers, and dates as ISO 8601 writes them.</summary>
    private sealed class NumberCells<T>(int rows, string format = "") : PrimitiveCells<T>(rows)
        where T : struct, IUtf8SpanFormattable
    {
        public override bool TryFormat(int row, Span<byte> destination, out int length)
        {
            if (Values[row] is { } value)
            {
                return value.TryFormat(
                    destination, out length, format, CultureInfo.InvariantCulture);
            }

            length = NoValue;
            return true;
        }
    }

    private sealed class BooleanCells(int rows) : PrimitiveCells<bool>(rows)
    {
        public override bool TryFormat(int row, Span<byte> destination, out int length)
        {
            ReadOnlySpan<byte> text = Values[row] == true ? "true"u8 : "false"u8;
            length = Values[row] is null ? NoValue : text.Length;
            return length == NoValue || text.TryCopyTo(destination);
        }
    }

    private sealed class TextCells(int rows) : ParquetCells
    {
        private readonly string?[] _values = new string?[rows];

        public override async Task ReadAsync(ParquetRowGroupReader group, DataField field) =>
            await group.ReadAsync(field, _values.AsMemory()!).ConfigureAwait(false);

        public override bool TryFormat(int row, Span<byte> destination, out int length)
        {
            length = NoValue;
            return _values[row] is not { } text
                || Encoding.UTF8.TryGetBytes(text, destination, out length);
        }
    }
}
