using System.Buffers.Binary;

namespace Backprop.Training.Digests;

/// <summary>
/// How digests are stored: 16 bytes that name the format, then 16 bytes a version, from version 0
/// on, least significant byte first. Zeros stand for a version that nobody recorded.
/// </summary>
public static class DigestFormat
{
    /// <summary>Bytes before the digest of version 0.</summary>
    public const int HeaderBytes = 16;

    /// <summary>What stands in them.</summary>
    public static ReadOnlySpan<byte> Header => "BKPDGST1\0\0\0\0\0\0\0\0"u8;

    /// <summary>Where the digest of a version stands.</summary>
    public static long OffsetOf(long version) => HeaderBytes + (version * VersionDigest.Bytes);

    /// <summary>Digests that are whole in a file of so many bytes.</summary>
    public static long CountIn(long fileBytes) =>
        Math.Max(0, fileBytes - HeaderBytes) / VersionDigest.Bytes;

    /// <summary>Writes a digest.</summary>
    /// <param name="digest">The digest.</param>
    /// <param name="destination">[16 or more].</param>
    public static void Write(VersionDigest digest, Span<byte> destination) =>
        BinaryPrimitives.WriteUInt128LittleEndian(destination, digest.Value);

    /// <summary>Reads a digest.</summary>
    /// <param name="source">[16 or more].</param>
    public static VersionDigest Read(ReadOnlySpan<byte> source) =>
        new(BinaryPrimitives.ReadUInt128LittleEndian(source));
}
