using System.Buffers.Binary;
using Backprop.Distributed.Links;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving.Copies;

/// <summary>The payload of an offer: the version of the best weights, whether the loss of the epoch
/// follows, and the loss.</summary>
internal static class CopyOffer
{
    /// <summary>Writes a payload of <see cref="FrameHeader.OfferBytes"/>.</summary>
    public static void Write(SliceCopy copy, Span<byte> destination)
    {
        BinaryPrimitives.WriteInt64LittleEndian(destination, copy.BestVersion ?? -1);
        BinaryPrimitives.WriteUInt64LittleEndian(
            destination[8..], copy.EpochLossSum is null ? 0u : 1u);
        BinaryPrimitives.WriteDoubleLittleEndian(destination[16..], copy.EpochLossSum ?? 0);
    }

    /// <summary>Reads an offer.</summary>
    public static SliceCopy Read(in FrameHeader header, ReadOnlySpan<byte> payload)
    {
        long best = BinaryPrimitives.ReadInt64LittleEndian(payload);
        bool hasLoss = BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]) != 0;
        return new SliceCopy(
            header.Piece, header.Offset, header.Step, best < 0 ? null : best,
            hasLoss ? BinaryPrimitives.ReadDoubleLittleEndian(payload[16..]) : null);
    }
}
