using System.Buffers.Binary;

namespace Backprop.Distributed.Links.Tcp;

/// <summary>What two processes of one machine tell each other after the handshake, so that long
/// payloads need not go through the socket; <c>docs/tensor-links.md</c> has the bytes.</summary>
internal static class MemoryOffer
{
    /// <summary>Bytes of a message.</summary>
    public const int Bytes = 12;

    /// <summary>Instead of a descriptor: the sender of this has no memory to offer.</summary>
    public const int None = -1;

    /// <summary>The answer to an offer: payloads go through the socket.</summary>
    public const int NotMapped = 0;

    /// <summary>The answer to an offer: payloads go through the memory.</summary>
    public const int Mapped = 1;

    private static ReadOnlySpan<byte> Magic => "BPSM"u8;

    /// <summary>Offers memory, hears what is offered, answers and hears the answer. Both ends write
    /// first, so neither waits for the other longer than it takes.</summary>
    /// <param name="connection">After the handshake.</param>
    /// <param name="own">What is offered; null: nothing.</param>
    /// <param name="open">Maps what is offered, by its descriptor; null: it cannot.</param>
    /// <param name="deadline">Within which it must be done.</param>
    /// <returns>Whether the peer uses what was offered, and what is to be used of its.</returns>
    /// <exception cref="LinkEndedException">What comes is no such message.</exception>
    /// <exception cref="IOException">The connection failed, or the time is up.</exception>
    public static (bool IsUsed, SendSlots? Sending) Exchange(
        LinkConnection connection, ReceiveSlots? own, Func<int, SendSlots?> open,
        Deadline deadline)
    {
        connection.Write(Encode(own?.Descriptor ?? None));
        SendSlots? sending = open(Read(connection, deadline));
        bool isDone = false;
        try
        {
            connection.Write(Encode(sending is null ? NotMapped : Mapped));
            int answer = Read(connection, deadline);
            if (answer != NotMapped && (answer != Mapped || own is null))
            {
                throw Refused($"{answer} is no answer to the offer of memory");
            }

            isDone = true;
            return (answer == Mapped, sending);
        }
        finally
        {
            if (!isDone)
            {
                sending?.Dispose();
            }
        }
    }

    /// <summary>The bytes of a message.</summary>
    public static byte[] Encode(int number)
    {
        byte[] bytes = new byte[Bytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), number);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), Crc32C.Of(bytes.AsSpan(..8)));
        return bytes;
    }

    private static int Read(LinkConnection connection, Deadline deadline)
    {
        Span<byte> bytes = stackalloc byte[Bytes];
        connection.ReadExactly(bytes, deadline);
        return bytes.StartsWith(Magic)
            && Crc32C.Of(bytes[..8]) == BinaryPrimitives.ReadUInt32LittleEndian(bytes[8..])
                ? BinaryPrimitives.ReadInt32LittleEndian(bytes[4..])
                : throw Refused("what follows the handshake is no offer of memory");
    }

    private static LinkEndedException Refused(string reason) => new(LinkEndKind.Refused, reason);
}
