using System.Collections.Immutable;

namespace Backprop.Training.Protocol;

/// <summary>A copy of a slice in a node's memory: weights, optimizer state, and the best weights if
/// there are any. Its values are a function of run, version and blocks.</summary>
/// <param name="FirstBlock">The first block.</param>
/// <param name="EndBlock">One past the last.</param>
/// <param name="Version">The version.</param>
/// <param name="BestVersion">The version of the best weights in it; null: none are.</param>
/// <param name="EpochLossSum">Sum of the epoch's rows' losses up to the version; only a copy of the
/// first slice has it, elsewhere null.</param>
public sealed record SliceCopy(
    int FirstBlock, int EndBlock, long Version, long? BestVersion, double? EpochLossSum)
{
    /// <summary>Whether it has a block.</summary>
    public bool Has(int block) => block >= FirstBlock && block < EndBlock;
}

/// <summary>Who keeps copies of which blocks.</summary>
/// <param name="Node">The node.</param>
/// <param name="FirstBlock">The first block.</param>
/// <param name="EndBlock">One past the last.</param>
public readonly record struct CopyKeeper(NodeId Node, int FirstBlock, int EndBlock)
{
    /// <summary>Why these do not keep every block of a run once, in order; null: they do.
    /// </summary>
    public static string? Refusal(ImmutableArray<CopyKeeper> keepers, int blocks)
    {
        int next = 0;
        foreach (CopyKeeper keeper in keepers.IsDefault ? [] : keepers)
        {
            if (!keeper.Node.IsValid || keeper.FirstBlock != next || keeper.EndBlock <= next)
            {
                return $"a keeper of blocks {keeper.FirstBlock} to {keeper.EndBlock}, where one"
                    + $" from block {next} belongs";
            }

            next = keeper.EndBlock;
        }

        return next != blocks ? $"copies end at block {next}, not {blocks}" : null;
    }
}
