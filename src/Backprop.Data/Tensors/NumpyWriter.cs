using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Backprop.Data.Tensors;

/// <summary>Writes archives of NumPy's arrays, which <c>numpy.load</c> reads: see
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
            stream.Write(Header(tensor));
            tensor.WriteValues(stream);
        }
    }

    private static byte[] Header(WrittenTensor tensor)
    {
        string trailing = tensor.Shape.Length == 1 ? "," : "";
        string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': ("
            + $"{string.Join(", ", tensor.Shape)}{trailing}), }}";
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
