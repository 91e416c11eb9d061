using System.Collections.Immutable;
using System.Runtime.Serialization;
using Backprop.Engine.Networks;
using Backprop.Training.Protocol;
using Google.Protobuf.Collections;

namespace Backprop.Distributed.Serialization;

/// <summary>What messages and events say of copies in memory, to the wire and back.</summary>
internal static class CopyMessages
{
    private const int MaxBlocks = int.MaxValue / ParameterLayout.DefaultBlockLength;

    // Two versions, of a slice and of another; after a generation was cut anew, of some more.
    private const int MaxCopies = 64;

    public static Wire.CopyKeeper ToWire(CopyKeeper keeper) => new()
    {
        Node = keeper.Node.Value,
        FirstBlock = keeper.FirstBlock,
        EndBlock = keeper.EndBlock,
    };

    public static ImmutableArray<CopyKeeper> Keepers(RepeatedField<Wire.CopyKeeper> keepers) =>
        WireChecks.List(keepers, MaxBlocks, "keepers of copies", keeper =>
        {
            CheckBlocks(keeper.FirstBlock, keeper.EndBlock);
            return new CopyKeeper(
                ProtocolParts.Node(keeper.Node), keeper.FirstBlock, keeper.EndBlock);
        });

    public static Wire.MemoryOrigin ToWire(SliceOrigin.Memory origin)
    {
        var message = new Wire.MemoryOrigin
        {
            Copied = origin.Copied,
            EpochLossSum = origin.EpochLossSum,
        };
        message.Keepers.Add(origin.Keepers.Select(ToWire));
        if (origin.BestVersion is { } best)
        {
            message.BestVersion = best;
        }

        return message;
    }

    public static SliceOrigin.Memory FromWire(Wire.MemoryOrigin origin) => new(
        origin.Copied, origin.HasBestVersion ? origin.BestVersion : null, origin.EpochLossSum,
        Keepers(origin.Keepers));

    public static Wire.SliceCopy ToWire(SliceCopy copy)
    {
        var message = new Wire.SliceCopy
        {
            FirstBlock = copy.FirstBlock,
            EndBlock = copy.EndBlock,
            Version = copy.Version,
        };
        if (copy.BestVersion is { } best)
        {
            message.BestVersion = best;
        }

        if (copy.EpochLossSum is { } lossSum)
        {
            message.EpochLossSum = lossSum;
        }

        return message;
    }

    public static ImmutableArray<SliceCopy> Copies(RepeatedField<Wire.SliceCopy> copies) =>
        WireChecks.List(copies, MaxCopies, "copies", copy =>
        {
            CheckBlocks(copy.FirstBlock, copy.EndBlock);
            return new SliceCopy(
                copy.FirstBlock, copy.EndBlock, copy.Version,
                copy.HasBestVersion ? copy.BestVersion : null,
                copy.HasEpochLossSum ? copy.EpochLossSum : null);
        });

    private static void CheckBlocks(int first, int end)
    {
        if (first < 0 || end <= first || end > MaxBlocks)
        {
            throw new SerializationException($"blocks from {first} to {end} are none");
        }
    }
}
