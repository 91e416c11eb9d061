using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Backprop.Data.Tests.Formats;

/// <summary>Writes NumPy's files, byte by byte.</summary>
internal static class NumpyBytes
{
    /// <summary>[[0, 0.5, 1], [1.5, 2, 2.5]] as numpy 1.24 saves it, float32.</summary>
    public static byte[] SavedByNumpy { get; } = Convert.FromBase64String(
        "k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIs"
        + "IDMpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg"
        + "IAoAAAAAAAAAPwAAgD8AAMA/AAAAQAAAIEA=");

    /// <summary>x = 0 to 7 as [2, 2, 2] of big-endian int16, y = [1, 0] of int64, as
    /// numpy.savez_compressed saves them.</summary>
    public static byte[] ArchivedByNumpy { get; } = Convert.FromBase64String(
        "UEsDBBQAAAAIAAAAIQABvwReVwAAAJAAAAAFABQAeC5ucHkBABAAkAAAAAAAAABXAAAAAAAAAJvsF+obEMnI"
        + "UMZQrZ6SWpxcpG6loG6XaaSuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6CiCkqaNQq0Ae4GJg"
        + "YGBkYGJgZmBhYGVgY2AHAFBLAwQUAAAACAAAACEAcfs5q0gAAACQAAAABQAUAHkubnB5AQAQAJAAAAAAAAAA"
        + "SAAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC"
        + "+RpGOpo6CrUKFAAuRgZUAABQSwECFAMUAAAACAAAACEAAb8EXlcAAACQAAAABQAAAAAAAAAAAAAAgAEAAAAA"
        + "eC5ucHlQSwECFAMUAAAACAAAACEAcfs5q0gAAACQAAAABQAAAAAAAAAAAAAAgAGOAAAAeS5ucHlQSwUGAAAA"
        + "AAIAAgBmAAAADQEAAAAA");

    public static byte[] Npy(
        string type, string shape, byte[] elements, byte version = 1, string order = "False")
    {
        byte[] dictionary = Encoding.UTF8.GetBytes(
            $"{{'descr': '{type}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        var length = new byte[version == 1 ? 2 : 4];
        if (version == 1)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)dictionary.Length);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, dictionary.Length);
        }

        return [0x93, .. "NUMPY"u8, version, 0, .. length, .. dictionary, .. elements];
    }

    public static byte[] Npz(CompressionLevel level, params (string Name, byte[] Bytes)[] entries)
    {
        using var buffer = new MemoryStream();
        using (var archive = new ZipArchive(buffer, ZipArchiveMode.Create))
        {
            foreach ((string name, byte[] bytes) in entries)
            {
                using Stream stream = archive.CreateEntry(name + ".npy", level).Open();
                stream.Write(bytes);
            }
        }

        return buffer.ToArray();
    }
}
