using System.Buffers.Binary;
using System.Collections.Immutable;
using System.IO.Compression;
using Backprop.Data.Storage;

namespace Backprop.Data.Formats;

/// <summary>A pair of IDX files, plain or gzip-compressed.</summary>
/// <param name="Images">The features: two or more dimensions, samples first.</param>
/// <param name="Labels">The targets: one dimension for classes.</param>
public sealed record IdxFiles(string Images, string Labels);

/// <summary>A dataset in IDX files, MNIST's format.</summary>
public sealed record IdxOptions
{
    /// <summary>One or more data shards.</summary>
    public required ImmutableArray<IdxFiles> Shards { get; init; }

    /// <summary>What the labels mean.</summary>
    public ArrayTarget Target { get; init; } = ArrayTarget.Class;

    /// <summary>The classes' names; null: as many as the labels need, named by their numbers. Give
    /// a test set the classes of its training set.</summary>
    public ImmutableArray<string>? Classes { get; init; }
}

/// <summary>
/// Reads IDX: two zero bytes, the element type, the number of dimensions, the dimensions as
/// big-endian 32-bit numbers, then the elements, big-endian and row-major. LeCun, Cortes, Burges,
/// "The MNIST database of handwritten digits".
/// </summary>
public static class IdxFormat
{
    private const string Name = "IDX";
    private const int MagicBytes = 4;
    private const int MaxDimensions = 8;

    /// <summary>Opens a dataset. Plain files are mapped; compressed ones are read into memory.
    /// </summary>
    /// <exception cref="InvalidDatasetException">A file is not what it should be; the message says
    /// which, where, and what would be right.</exception>
    public static IDataset Open(IdxOptions options) => ArrayDataset.Open(
        [
            .. options.Shards.Select(files => (
                (Func<NumericArray>)(() => ReadImages(files.Images)),
                (Func<NumericArray>)(() => ReadArray(files.Labels)))),
        ],
        options.Target, options.Classes);

    private static NumericArray ReadImages(string path)
    {
        NumericArray images = ReadArray(path);
        if (!images.ItemShape.Dimensions.IsEmpty)
        {
            return images;
        }

        images.Dispose();
        throw new InvalidDatasetException(
            path, "it has one dimension, as labels have",
            "name a file of images: samples, then rows and columns",
            new DataPosition { ByteOffset = 3 });
    }

    /// <summary>Opens the features alone, to predict from: the samples have no targets.</summary>
    /// <param name="path">The file of images.</param>
    /// <exception cref="InvalidDatasetException">The file is not what it should be.</exception>
    public static IDataset OpenFeatures(string path) => ArrayDataset.OfFeatures(ReadImages(path));

    private static NumericArray ReadArray(string path)
    {
        FileStream file = DataFile.Open(path);
        bool mapped = false;
        try
        {
            if (DataFile.IsGzip(file))
            {
                using var inflated = new GZipStream(file, CompressionMode.Decompress);
                return ReadCompressed(inflated, path, file.Length);
            }

            IdxHeader header = ReadHeader(file, path);
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

    private static NumericArray ReadCompressed(Stream stream, string path, long compressedBytes)
    {
        IdxHeader header = ReadHeader(stream, path);
        byte[] payload = DataFile.ReadPayload(
            stream, path, compressedBytes, header.Bytes, header.PayloadBytes);
        return header.Over(path, new MemoryBytes(payload), 0);
    }

    private static IdxHeader ReadHeader(Stream stream, string path)
    {
        Span<byte> magic = stackalloc byte[MagicBytes];
        DataFile.ReadHeader(stream, path, Name, magic);
        if (magic[0] != 0 || magic[1] != 0)
        {
            throw new InvalidDatasetException(
                path, $"it begins with {Convert.ToHexString(magic)}, which is not IDX",
                "an IDX file begins with 0000, its element type and its number of dimensions",
                new DataPosition { ByteOffset = 0 });
        }

        ElementType type = ReadType(magic[2], path);
        int rank = magic[3];
        if (rank is < 1 or > MaxDimensions)
        {
            throw new InvalidDatasetException(
                path, $"it has {rank} dimensions", $"1 to {MaxDimensions} can be read",
                new DataPosition { ByteOffset = 3 });
        }

        Span<byte> sizes = stackalloc byte[rank * sizeof(uint)];
        DataFile.ReadHeader(stream, path, Name, sizes);
        var dimensions = new long[rank];
        for (int i = 0; i < rank; i++)
        {
            dimensions[i] = BinaryPrimitives.ReadUInt32BigEndian(sizes[(i * sizeof(uint))..]);
        }

        return new IdxHeader(
            type, ArrayDimensions.Require(path, dimensions), MagicBytes + sizes.Length);
    }

    private static ElementType ReadType(byte code, string path) => code switch
    {
        0x08 => ElementType.UInt8,
        0x09 => ElementType.Int8,
        0x0B => ElementType.Int16,
        0x0C => ElementType.Int32,
        0x0D => ElementType.Float32,
        0x0E => ElementType.Float64,
        _ => throw new InvalidDatasetException(
            path, $"element type 0x{code:X2} is unknown",
            "IDX has 08 (u8), 09 (i8), 0B (i16), 0C (i32), 0D (f32) and 0E (f64)",
            new DataPosition { ByteOffset = 2 }),
    };

    private readonly record struct IdxHeader(
        ElementType Type, ImmutableArray<int> Dimensions, int Bytes)
    {
        public long PayloadBytes => ArrayDimensions.Elements(Dimensions) * Elements.Size(Type);

        public NumericArray Over(string path, ByteStore bytes, long start) =>
            new(path, Type, true, Dimensions, bytes, start);
    }
}
