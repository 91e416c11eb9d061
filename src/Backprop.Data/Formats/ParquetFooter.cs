using System.Buffers.Binary;

namespace Backprop.Data.Formats;

/// <summary>
/// Looks at a Parquet file's footer before Parquet.Net believes it. It is a Thrift structure
/// (apache/parquet-format, README), and has columns within columns, into which readers descend by
/// recursion: what is nested without end would end the process.
/// </summary>
internal static class ParquetFooter
{
    private const int MaxBytes = 64 << 20;
    private const int MaxColumns = 1 << 15;
    private const int MaxDepth = 32;

    // Digits of the largest decimals that other programs write; readers take powers of ten.
    private const int MaxScale = 76;
    private const int LengthBytes = sizeof(int);
    private const string Remedy = "give a whole Parquet file";

    private static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <summary>Refuses a file whose footer is not such a structure; the file is left at its
    /// beginning.</summary>
    public static void RequireSound(FileStream file, string path)
    {
        int tailBytes = LengthBytes + Magic.Length;
        if (file.Length < Magic.Length + tailBytes)
        {
            throw new InvalidDatasetException(
                path, $"its {file.Length} bytes are too few for Parquet", Remedy);
        }

        Span<byte> tail = stackalloc byte[tailBytes];
        file.Position = file.Length - tailBytes;
        file.ReadExactly(tail);
        long length = BinaryPrimitives.ReadUInt32LittleEndian(tail);
        if (!tail[LengthBytes..].SequenceEqual(Magic))
        {
            throw new InvalidDatasetException(
                path, "it does not end with PAR1, as Parquet does", Remedy);
        }

        if (length > Math.Min(MaxBytes, file.Length - tailBytes - Magic.Length))
        {
            throw new InvalidDatasetException(
                path, $"it states {length:N0} bytes of metadata, which it does not have or which "
                + $"are more than {MaxBytes:N0}", Remedy);
        }

        var footer = new byte[length];
        file.Position = file.Length - tailBytes - length;
        file.ReadExactly(footer);
        file.Position = 0;
        var schema = new SchemaShape();
        if (!new ThriftWalk(footer, schema.Visit).TryRead(ParquetStructures.File))
        {
            throw new InvalidDatasetException(
                path, "its metadata are damaged, or have what this reader does not know", Remedy);
        }

        if (schema.Mistake is { } mistake)
        {
            throw new InvalidDatasetException(
                path, mistake, "give a Parquet file of flat columns");
        }
    }

    /// <summary>How columns lie in each other: a list of them, each followed by its own.</summary>
    private sealed class SchemaShape
    {
        private readonly Stack<long> _open = new();
        private int _columns;

        /// <summary>What is wrong with them; null: nothing.</summary>
        public string? Mistake { get; private set; }

        public void Visit(ThriftStructure structure, in ThriftNumbers numbers)
        {
            if (structure != ParquetStructures.Element || Mistake is not null)
            {
                return;
            }

            while (_open.TryPeek(out long none) && none == 0)
            {
                _open.Pop();
            }

            if (_open.TryPop(out long left))
            {
                _open.Push(left - 1);
            }

            long children = numbers[ParquetStructures.SchemaElement.Children];
            if (children > 0)
            {
                _open.Push(children);
            }

            long scale = numbers[ParquetStructures.SchemaElement.Scale];
            Mistake = (_columns++, _open.Count, scale) switch
            {
                (> MaxColumns, _, _) => $"it has more than {MaxColumns:N0} columns",
                (_, > MaxDepth, _) =>
                    $"its columns are nested more than {MaxDepth} deep, or without end",
                (_, _, < 0 or > MaxScale) =>
                    $"a decimal has {scale} digits after the point, where {MaxScale} are the most",
                _ => null,
            };
        }
    }
}
