using System.Collections.Immutable;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>A committed checkpoint: where the run stood, and the parts that make it up. Restored
/// from them by any number of servers, the run ends in the same bits.</summary>
/// <param name="Position">Where the run stood.</param>
/// <param name="BestVersion">The version of the best weights in it; null: none are.</param>
/// <param name="Parts">All blocks, in order, without gaps.</param>
public sealed record CheckpointManifest(
    TrainingPosition Position, long? BestVersion, ImmutableArray<CheckpointPart> Parts)
{
    private const int DigestLength = 64;

    /// <summary>The version of its weights.</summary>
    public long Version => Position.Step;

    /// <summary>What slices open from it.</summary>
    public SliceOrigin.Checkpoint Origin => new(Version, BestVersion, Position.EpochLossSum);

    /// <summary>Why parts are not those of blocks [<paramref name="firstBlock"/>,
    /// <paramref name="endBlock"/>); null: they are.</summary>
    public static string? Refusal(
        ImmutableArray<CheckpointPart> parts, int firstBlock, int endBlock)
    {
        int next = firstBlock;
        foreach (CheckpointPart part in parts.IsDefault ? [] : parts)
        {
            if (part.FirstBlock != next || part.EndBlock <= next
                || part.Sha256.Length != DigestLength)
            {
                return $"a part of blocks {part.FirstBlock} to {part.EndBlock} with digest"
                    + $" '{part.Sha256}', where one from block {next} belongs";
            }

            next = part.EndBlock;
        }

        return next != endBlock ? $"parts end at block {next}, not {endBlock}" : null;
    }
}
