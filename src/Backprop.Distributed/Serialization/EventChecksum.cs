using System.Buffers.Binary;
using System.Runtime.Serialization;
using Backprop.Distributed.Links;

namespace Backprop.Distributed.Serialization;

/// <summary>The last field of every stored event: a checksum of what comes before it. A database
/// does not notice when a bit of a blob turns over, and what then happens to be an event would be
/// believed.</summary>
internal static class EventChecksum
{
    /// <summary>Bytes of the field.</summary>
    public const int Length = 6;

    // Field 2,047, four bytes: the tag that Protocol Buffers gives it.
    private static ReadOnlySpan<byte> Tag => [0xFD, 0x7F];

    /// <summary>An event's bytes, followed by their checksum.</summary>
    public static byte[] Append(byte[] content)
    {
        byte[] whole = new byte[content.Length + Length];
        content.CopyTo(whole, 0);
        Tag.CopyTo(whole.AsSpan(content.Length));
        BinaryPrimitives.WriteUInt32LittleEndian(
            whole.AsSpan(content.Length + Tag.Length), Crc32C.Of(content));
        return whole;
    }

    /// <summary>Refuses bytes that are not what was written.</summary>
    /// <param name="bytes">All of them.</param>
    /// <param name="checksum">What was read of them; null: there is none.</param>
    /// <exception cref="SerializationException">They do not match it.</exception>
    public static void Require(ReadOnlySpan<byte> bytes, uint? checksum)
    {
        if (checksum is { } written && (bytes.Length < Length
            || !bytes[^Length..].StartsWith(Tag) || Crc32C.Of(bytes[..^Length]) != written))
        {
            throw new SerializationException(
                $"an event of {bytes.Length:N0} bytes is damaged: it does not match its checksum");
        }
    }
}
