using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Backprop.Data.Storage;

namespace Backprop.Data.Tensors;

/// <summary>Writes NumPy's arrays, and archives of them, which <c>numpy.load</c> reads: see
/// <see cref="Formats.NumpyFormat"/>.</summary>
public static class NumpyWriter
{
    // Elements begin at a multiple of so many bytes of a .npy file.
    private const int Alignment = 64;

    private static readonly DateTimeOffset s_begin =
        new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes an archive, uncompressed; the same tensors make the same bytes.</summary>
    /// <param name="tensors">The arrays; names differ.</param>
    /// <param name="destination">Written from its position on.</param>
    public static void WriteArchive(
        IReadOnlyList<WrittenTensor> tensors, Stream destination)
    {
        using var archive = new ZipArchive(destination, ZipArchiveMode.Create, leaveOpen: true);
        foreach (WrittenTensor tensor in tensors)
        {
            ZipArchiveEntry entry = archive.CreateEntry(
                tensor.Name + ".npy", CompressionLevel.NoCompression);
            entry.LastWriteTime = s_begin;
            using Stream stream = entry.Open();
            stream.Write(Header(
                ElementType.Float32, [.. tensor.Shape.Select(length => (long)length)]));
            tensor.WriteValues(stream);
        }
    }

    /// <summary>What stands before the elements of an array, little-endian and row-major, in a
    /// <c>.npy</c> file of version 1.</summary>
    /// <param name="type">The elements: <see cref="ElementType.UInt8"/>,
    /// <see cref="ElementType.Int32"/> or <see cref="ElementType.Float32"/>.</param>
    /// <param name="shape">One dimension or more.</param>
    internal static byte[] Header(ElementType type, ReadOnlySpan<long> shape)
    {
        string element = type switch
        {
            ElementType.UInt8 => "|u1",
            ElementType.Int32 => "<i4",
            ElementType.Float32 => "<f4",
            _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not written here"),
        };
        string trailing = shape.Length == 1 ? "," : "";
        string dictionary = $"{{'descr': '{element}', 'fortran_order': False, 'shape': ("
            + $"{string.Join(", ", shape.ToArray())}{trailing}), }}";
        ReadOnlySpan<byte> magic = [0x93, .. "NUMPY"u8, 1, 0];
        int before = magic.Length + sizeof(ushort);
        int length = (before + dictionary.Length + Alignment) / Alignment * Alignment - before;
        var header = new byte[before + length];
        magic.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(
            header.AsSpan(magic.Length), checked((ushort)length));
        header.AsSpan(before).Fill((byte)' ');
        Encoding.ASCII.GetBytes(dictionary, header.AsSpan(before));
        header[^1] = (byte)'\n';
        return header;
    }
}
