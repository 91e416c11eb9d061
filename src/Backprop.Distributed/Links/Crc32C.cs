using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Backprop.Distributed.Links;

/// <summary>
/// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78, as in RFC 3720 appendix B.4), with the
/// processor's instruction where it has one.
/// </summary>
/// <remarks>The instruction gives 8 bytes every 3 cycles in a chain but one result a cycle in
/// three chains, so long inputs are cut in three and put together: the register after A and B is
/// that after A and as many zeros as B is long, exclusive-or that of B alone, since it is linear
/// over GF(2).</remarks>
internal static class Crc32C
{
    private const int ChainBytes = 4096;

    // What ChainBytes zero bytes make of a register, for each value of each of its four bytes.
    private static readonly uint[] Advanced = Advance();

    /// <summary>The checksum of <paramref name="bytes"/>.</summary>
    public static uint Of(ReadOnlySpan<byte> bytes) => Append(0, bytes);

    /// <summary>The checksum of what has <paramref name="checksum"/> (nothing has 0), followed by
    /// <paramref name="bytes"/>.</summary>
    public static uint Append(uint checksum, ReadOnlySpan<byte> bytes)
    {
        uint register = ~checksum;
        while (bytes.Length >= 3 * ChainBytes)
        {
            register = ThreeChains(register, bytes[..(3 * ChainBytes)]);
            bytes = bytes[(3 * ChainBytes)..];
        }

        for (; bytes.Length >= sizeof(ulong); bytes = bytes[sizeof(ulong)..])
        {
            register = BitOperations.Crc32C(
                register, BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        }

        foreach (byte value in bytes)
        {
            register = BitOperations.Crc32C(register, value);
        }

        return ~register;
    }

    private static uint ThreeChains(uint register, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        ReadOnlySpan<ulong> first = words[..(ChainBytes / 8)];
        ReadOnlySpan<ulong> second = words.Slice(ChainBytes / 8, first.Length);
        ReadOnlySpan<ulong> third = words.Slice(2 * ChainBytes / 8, first.Length);
        uint a = register;
        uint b = 0;
        uint c = 0;
        for (int i = 0; i < first.Length; i++)
        {
            a = BitOperations.Crc32C(a, first[i]);
            b = BitOperations.Crc32C(b, second[i]);
            c = BitOperations.Crc32C(c, third[i]);
        }

        return PastZeros(PastZeros(a) ^ b) ^ c;
    }

    private static uint PastZeros(uint register) =>
        Advanced[register & 255]
        ^ Advanced[256 + ((register >> 8) & 255)]
        ^ Advanced[512 + ((register >> 16) & 255)]
        ^ Advanced[768 + (register >> 24)];

    private static uint[] Advance()
    {
        var ofBit = new uint[32];
        for (int bit = 0; bit < ofBit.Length; bit++)
        {
            uint register = 1u << bit;
            for (int i = 0; i < ChainBytes / sizeof(ulong); i++)
            {
                register = BitOperations.Crc32C(register, 0ul);
            }

            ofBit[bit] = register;
        }

        var table = new uint[4 * 256];
        for (int entry = 0; entry < table.Length; entry++)
        {
            for (int bit = 0; bit < 8; bit++)
            {
                if ((entry >> bit & 1) != 0)
                {
                    table[entry] ^= ofBit[(8 * (entry / 256)) + bit];
                }
            }
        }

        return table;
    }
}
