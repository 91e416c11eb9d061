using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.RegularExpressions;
using Backprop.Data.Storage;

namespace Backprop.Data.Formats;

/// <summary>An array that NumPy saved.</summary>
/// <param name="Path">A <c>.npy</c> file, or a <c>.npz</c> archive of several.</param>
/// <param name="Array">The array's name in an archive; null: the file is a <c>.npy</c> file.
/// </param>
public sealed record NumpyArray(string Path, string? Array = null);

/// <summary>A pair of arrays.</summary>
/// <param name="Features">Samples first; one dimension: one feature a sample.</param>
/// <param name="Targets">As many, with one dimension for classes.</param>
public sealed record NumpyFiles(NumpyArray Features, NumpyArray Targets);

/// <summary>A dataset in NumPy's files.</summary>
public sealed record NumpyOptions
{
    /// <summary>One or more data shards.</summary>
    public required ImmutableArray<NumpyFiles> Shards { get; init; }

    /// <summary>What the targets mean.</summary>
    public ArrayTarget Target { get; init; } = ArrayTarget.Class;

    /// <summary>The classes' names; null: as many as the labels need, named by their numbers.
    /// </summary>
    public ImmutableArray<string>? Classes { get; init; }

    /// <summary>The names of targets that are values; null: target0, target1, ...</summary>
    public ImmutableArray<string>? Names { get; init; }
}

/// <summary>
/// Reads NumPy's array files, versions 1 to 3: a magic, the version, the header's length, a Python
/// dictionary of type, order and shape, then the elements. NumPy Enhancement Proposal 1, and
/// <c>numpy.lib.format</c>.
/// </summary>
public static partial class NumpyFormat
{
    private const string Name = "NumPy";
    private const int PreambleBytes = 8;
    private const int MaxHeaderBytes = 1 << 16;
    private const int MaxDimensions = 8;

    /// <summary>Opens a dataset. A <c>.npy</c> file is mapped, and may be larger than memory; an
    /// array of an archive is read into memory.</summary>
    /// <exception cref="InvalidDatasetException">A file is not what it should be; the message says
    /// which, where, and what would be right.</exception>
    public static IDataset Open(NumpyOptions options) => ArrayDataset.Open(
        [
            .. options.Shards.Select(files => (
                (Func<NumericArray>)(() => ReadArray(files.Features)),
                (Func<NumericArray>)(() => ReadArray(files.Targets)))),
        ],
        options.Target, options.Classes, options.Names);

    /// <summary>Opens the features alone, to predict from: the samples have no targets.</summary>
    /// <param name="array">The array. Of a <c>.npz</c> archive that holds a single one, its name
    /// may be left out.</param>
    /// <exception cref="InvalidDatasetException">It is not what it should be.</exception>
    public static IDataset OpenFeatures(NumpyArray array)
    {
        bool isUnnamed = array.Array is null
            && array.Path.EndsWith(".npz", StringComparison.OrdinalIgnoreCase);
        return ArrayDataset.OfFeatures(isUnnamed
            ? ReadFromArchive(array.Path, null)
            : ReadArray(array));
    }

    /// <summary>Reads the header of an array in memory.</summary>
    /// <param name="source">Where the bytes are from, for messages.</param>
    /// <param name="bytes">The file.</param>
    /// <exception cref="InvalidDatasetException">It is no array that can be read.</exception>
    internal static NumpyHeader ReadHeader(string source, ArraySegment<byte> bytes)
    {
        using var stream = new MemoryStream(
            bytes.Array!, bytes.Offset, bytes.Count, writable: false);
        return ReadHeader(stream, source);
    }

    private static NumericArray ReadArray(NumpyArray array) => array.Array is { } name
        ? ReadFromArchive(array.Path, name)
        : ReadFile(array.Path);

    private static NumericArray ReadFile(string path)
    {
        FileStream file = DataFile.Open(path);
        bool mapped = false;
        try
        {
            NumpyHeader header = ReadHeader(file, path);
            DataFile.RequireSize(path, file.Length, header.Bytes, header.PayloadBytes);
            var bytes = new MappedBytes(file);
            mapped = true;
            return header.Over(path, bytes, header.Bytes);
        }
        finally
        {
            if (!mapped)
            {
                file.Dispose();
            }
        }
    }

    private static NumericArray ReadFromArchive(string path, string? only)
    {
        using FileStream file = DataFile.Open(path);
        try
        {
            using var archive = new ZipArchive(file, ZipArchiveMode.Read);
            string name = only ?? SingleArray(path, archive);
            ZipArchiveEntry entry = archive.GetEntry(name + ".npy")
                ?? throw new InvalidDatasetException(
                    path, $"there is no array '{name}' in it",
                    $"its arrays are {string.Join(", ", ArrayNames(archive))}");
            string source = $"{path}, array '{name}'";
            using Stream stream = entry.Open();
            NumpyHeader header = ReadHeader(stream, source);
            byte[] payload = DataFile.ReadPayload(
                stream, source, Math.Min(entry.CompressedLength, file.Length), header.Bytes,
                header.PayloadBytes);
            return header.Over(source, new MemoryBytes(payload), 0);
        }
        catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
        {
            throw new InvalidDatasetException(
                path, $"it is not a whole archive: {e.Message}",
                "give an archive as numpy.savez writes it", cause: e);
        }
    }

    private static string SingleArray(string path, ZipArchive archive)
    {
        string[] names = [.. ArrayNames(archive)];
        return names.Length == 1
            ? names[0]
            : throw new InvalidDatasetException(
                path, $"it holds {names.Length} arrays ({string.Join(", ", names)})",
                "save the features alone, with numpy.save");
    }

    private static IEnumerable<string> ArrayNames(ZipArchive archive) =>
        from entry in archive.Entries
        where entry.FullName.EndsWith(".npy", StringComparison.Ordinal)
        select entry.FullName[..^4];

    private static NumpyHeader ReadHeader(Stream stream, string source)
    {
        Span<byte> preamble = stackalloc byte[PreambleBytes];
        DataFile.ReadHeader(stream, source, Name, preamble);
        if (preamble[0] != 0x93 || !preamble[1..6].SequenceEqual("NUMPY"u8))
        {
            throw new InvalidDatasetException(
                source,
                $"it begins with {Convert.ToHexString(preamble[..6])}, which is not NumPy's",
                "an array file begins with 934E554D5059, that is \\x93NUMPY",
                new DataPosition { ByteOffset = 0 });
        }

        int version = preamble[6];
        if (version is < 1 or > 3)
        {
            throw new InvalidDatasetException(
                source, $"its version is {version}", "versions 1, 2 and 3 can be read",
                new DataPosition { ByteOffset = 6 });
        }

        Span<byte> lengthBytes = stackalloc byte[version == 1 ? sizeof(ushort) : sizeof(uint)];
        DataFile.ReadHeader(stream, source, Name, lengthBytes);
        long length = version == 1
            ? BinaryPrimitives.ReadUInt16LittleEndian(lengthBytes)
            : BinaryPrimitives.ReadUInt32LittleEndian(lengthBytes);
        if (length > MaxHeaderBytes)
        {
            throw new InvalidDatasetException(
                source, $"its header is said to have {length:N0} bytes",
                $"at most {MaxHeaderBytes:N0} are read",
                new DataPosition { ByteOffset = PreambleBytes });
        }

        var dictionary = new byte[length];
        DataFile.ReadHeader(stream, source, Name, dictionary);
        return ParseHeader(
            source, Encoding.UTF8.GetString(dictionary),
            PreambleBytes + lengthBytes.Length + dictionary.Length);
    }

    private static NumpyHeader ParseHeader(string source, string dictionary, int headerBytes)
    {
        Match type = TypePattern().Match(dictionary);
        Match order = OrderPattern().Match(dictionary);
        Match shape = ShapePattern().Match(dictionary);
        if (!type.Success || !order.Success || !shape.Success)
        {
            throw new InvalidDatasetException(
                source, $"its header is {Quotation.Of(dictionary.Trim())}",
                "an array of plain numbers has 'descr', 'fortran_order' and 'shape'",
                new DataPosition { ByteOffset = PreambleBytes });
        }

        (ElementType elementType, bool bigEndian) = ParseType(source, type.Groups[1].Value);
        long[] dimensions = ParseShape(source, shape.Groups[1].Value);
        if (order.Groups[1].Value == "True" && dimensions.Length > 1)
        {
            throw new InvalidDatasetException(
                source, "it is in Fortran's order, columns first",
                "save it with numpy.ascontiguousarray(array)");
        }

        return new NumpyHeader(
            elementType, bigEndian, ArrayDimensions.Require(source, dimensions), headerBytes);
    }

    private static (ElementType Type, bool BigEndian) ParseType(string source, string text)
    {
        bool bigEndian = text[0] == '>';
        return text[1..] switch
        {
            "u1" or "b1" => (ElementType.UInt8, false),
            "i1" => (ElementType.Int8, false),
            "i2" => (ElementType.Int16, bigEndian),
            "i4" => (ElementType.Int32, bigEndian),
            "i8" => (ElementType.Int64, bigEndian),
            "f4" => (ElementType.Float32, bigEndian),
            "f8" => (ElementType.Float64, bigEndian),
            _ => throw new InvalidDatasetException(
                source, $"its elements are '{text}'",
                "u1, i1, i2, i4, i8, f4 and f8 can be read: save it with array.astype('float32')"),
        };
    }

    private static long[] ParseShape(string source, string text)
    {
        string[] parts = text.Split(
            ',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (parts.Length is < 1 or > MaxDimensions)
        {
            throw new InvalidDatasetException(
                source, $"it has {parts.Length} dimensions", $"1 to {MaxDimensions} can be read");
        }

        var dimensions = new long[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!long.TryParse(
                parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out dimensions[i]))
            {
                throw new InvalidDatasetException(
                    source, $"its shape is ({Quotation.Of(text)})",
                    "a shape is a list of numbers");
            }
        }

        return dimensions;
    }

    [GeneratedRegex(@"'descr'\s*:\s*'([<>|=][a-zA-Z][0-9]+)'")]
    private static partial Regex TypePattern();

    [GeneratedRegex(@"'fortran_order'\s*:\s*(True|False)")]
    private static partial Regex OrderPattern();

    [GeneratedRegex(@"'shape'\s*:\s*\(([0-9, ]*)\)")]
    private static partial Regex ShapePattern();

}

/// <summary>What stands before the elements of an array.</summary>
/// <param name="Type">The elements.</param>
/// <param name="BigEndian">Their byte order.</param>
/// <param name="Dimensions">One or more.</param>
/// <param name="Bytes">Of the header itself.</param>
internal readonly record struct NumpyHeader(
    ElementType Type, bool BigEndian, ImmutableArray<int> Dimensions, int Bytes)
{
    /// <summary>Bytes of the elements.</summary>
    public long PayloadBytes => ArrayDimensions.Elements(Dimensions) * Elements.Size(Type);

    /// <summary>The array whose elements begin at <paramref name="start"/>.</summary>
    public NumericArray Over(string source, ByteStore bytes, long start) =>
        new(source, Type, BigEndian, Dimensions, bytes, start);
}
