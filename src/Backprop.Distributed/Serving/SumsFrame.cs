using System.Buffers.Binary;
using Backprop.Engine.Optimizers;
using Backprop.Distributed.Links;

namespace Backprop.Distributed.Serving;

/// <summary>The payload of sums: the step's loss, whether the sender asks for the receiver's own,
/// and the sums; those of a large slice take several frames.</summary>
internal static class SumsFrame
{
    /// <summary>The most sums of a frame.</summary>
    public const int MaxSums = (FrameHeader.MaxSmallBytes - HeadBytes) / SumBytes;

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
        double lossSum, bool asks, ReadOnlySpan<PieceSums> sums, Span<byte> destination)
    {
        BinaryPrimitives.WriteDoubleLittleEndian(destination, lossSum);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[sizeof(double)..], asks ? 1u : 0u);
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
    public static (double LossSum, bool Asks) Read(
        ReadOnlySpan<byte> payload, Span<PieceSums> sums)
    {
        double lossSum = BinaryPrimitives.ReadDoubleLittleEndian(payload);
        bool asks = BinaryPrimitives.ReadUInt64LittleEndian(payload[sizeof(double)..]) != 0;
        ReadOnlySpan<byte> at = payload[HeadBytes..];
        for (int i = 0; i < sums.Length; i++)
        {
            sums[i] = new PieceSums(
                BinaryPrimitives.ReadDoubleLittleEndian(at),
                BinaryPrimitives.ReadDoubleLittleEndian(at[8..]),
                BinaryPrimitives.ReadDoubleLittleEndian(at[16..]));
            at = at[SumBytes..];
        }

        return (lossSum, asks);
    }
}
