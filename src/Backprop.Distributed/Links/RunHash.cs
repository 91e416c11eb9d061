using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Backprop.Distributed.Links;

/// <summary>Names a run on the wire in a fixed number of bytes.</summary>
/// <param name="Value">The first 16 bytes of the SHA-256 of the run's id in UTF-8, read
/// little-endian.</param>
public readonly record struct RunHash(UInt128 Value)
{
    /// <summary>Bytes on the wire.</summary>
    public const int Bytes = 16;

    /// <summary>The hash of a run's id.</summary>
    public static RunHash Of(string run) => new(BinaryPrimitives.ReadUInt128LittleEndian(
        SHA256.HashData(Encoding.UTF8.GetBytes(run))));

    /// <inheritdoc/>
    public override string ToString() => Value.ToString("x32", null);
}
