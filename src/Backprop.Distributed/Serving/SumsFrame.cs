using System.Buffers.Binary;
using Backprop.Engine.Optimizers;
using Backprop.Distributed.Links;

namespace Backprop.Distributed.Serving;

/// <summary>What stands before the sums of a frame.</summary>
/// <param name="LossSum">The step's loss.</param>
/// <param name="Asks">Whether the sender asks for the receiver's own.</param>
/// <param name="IsWilling">Whether the sender would copy what the step makes.</param>
internal readonly record struct SumsHead(double LossSum, bool Asks, bool IsWilling);

/// <summary>The payload of sums: the step's loss, what the sender says beside, and the sums; those
/// of a large slice take several frames.</summary>
internal static class SumsFrame
{
    /// <summary>The most sums of a frame.</summary>
    public const int MaxSums = (FrameHeader.MaxSmallBytes - HeadBytes) / SumBytes;

    private const ulong AsksBit = 1;
    private const ulong WillingBit = 2;
    private const int HeadBytes = 2 * sizeof(double);
    private const int SumBytes = 3 * sizeof(double);

    /// <summary>Frames that the sums of a slice take.</summary>
    public static int FramesOf(int sums) => (sums + MaxSums - 1) / MaxSums;

    /// <summary>The sums of one of the frames.</summary>
    public static int CountOf(int sums, int frame) => Math.Min(MaxSums, sums - (frame * MaxSums));

    /// <summary>64-bit words of a frame of so many sums.</summary>
    public static int WordsOf(int count) => (HeadBytes + (count * SumBytes)) / sizeof(double);

    /// <summary>Writes a payload.</summary>
    /// <returns>Its bytes.</returns>
    public static ReadOnlySpan<byte> Write(
        in SumsHead head, ReadOnlySpan<PieceSums> sums, Span<byte> destination)
    {
        BinaryPrimitives.WriteDoubleLittleEndian(destination, head.LossSum);
        BinaryPrimitives.WriteUInt64LittleEndian(
            destination[sizeof(double)..],
            (head.Asks ? AsksBit : 0) | (head.IsWilling ? WillingBit : 0));
        Span<byte> at = destination[HeadBytes..];
        foreach (PieceSums sum in sums)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(at, sum.GradientSquares);
            BinaryPrimitives.WriteDoubleLittleEndian(at[8..], sum.WeightSquares);
            BinaryPrimitives.WriteDoubleLittleEndian(at[16..], sum.WeightMagnitudes);
            at = at[SumBytes..];
        }

        return destination[..(HeadBytes + (sums.Length * SumBytes))];
    }

    /// <summary>Reads a payload of as many sums as there is room for.</summary>
    public static SumsHead Read(ReadOnlySpan<byte> payload, Span<PieceSums> sums)
    {
        double lossSum = BinaryPrimitives.ReadDoubleLittleEndian(payload);
        ulong bits = BinaryPrimitives.ReadUInt64LittleEndian(payload[sizeof(double)..]);
        ReadOnlySpan<byte> at = payload[HeadBytes..];
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] = new PieceSums(
                BinaryPrimitives.ReadDoubleLittleEndian(at),
                BinaryPrimitives.ReadDoubleLittleEndian(at[8..]),
                BinaryPrimitives.ReadDoubleLittleEndian(at[16..]));
            at = at[SumBytes..];
        }

        return new SumsHead(lossSum, (bits & AsksBit) != 0, (bits & WillingBit) != 0);
    }
}
