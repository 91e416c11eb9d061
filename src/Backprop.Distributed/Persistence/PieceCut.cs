using System.Collections.Immutable;
using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;

namespace Backprop.Distributed.Persistence;

/// <summary>
/// How a checkpoint is cut into pieces: whole blocks, so that slices cut in any other way can be
/// put together from them, with every section of a block in the same piece.
/// </summary>
/// <param name="Length">Floats in the flat vector.</param>
/// <param name="StateCount">Floats of optimizer state a parameter.</param>
/// <param name="HasBest">Whether the best weights are stored too.</param>
public sealed record PieceCut(int Length, int StateCount, bool HasBest)
{
    /// <summary>The most content of a piece: a database writes and reads a piece at once, and
    /// longer rows buy nothing.</summary>
    public const int MaxPieceBytes = 8 << 20;

    /// <summary>Sections: the weights, each optimizer state, and the best weights if there are any.
    /// </summary>
    public int Sections => 1 + StateCount + (HasBest ? 1 : 0);

    /// <summary>Blocks of the flat vector.</summary>
    public int BlockCount =>
        (int)(((long)Length + ParameterLayout.DefaultBlockLength - 1)
            / ParameterLayout.DefaultBlockLength);

    /// <summary>The blocks that a piece may have.</summary>
    /// <exception cref="CheckpointException">Not even one fits.</exception>
    public int BlocksPerPiece
    {
        get
        {
            long blockBytes = (long)ParameterLayout.DefaultBlockLength * sizeof(float) * Sections;
            return blockBytes <= MaxPieceBytes
                ? (int)(MaxPieceBytes / blockBytes)
                : throw new CheckpointException(
                    $"an optimizer with {StateCount} states a parameter cannot be stored: a block"
                    + $" would have {blockBytes:N0} bytes, where a piece has at most"
                    + $" {MaxPieceBytes:N0}");
        }
    }

    /// <summary>Parameters in the blocks [<paramref name="firstBlock"/>,
    /// <paramref name="endBlock"/>).</summary>
    public int LengthOf(int firstBlock, int endBlock) => StartOf(endBlock) - StartOf(firstBlock);

    /// <summary>Bytes of a piece of these blocks.</summary>
    public long BytesOf(int firstBlock, int endBlock) =>
        (long)LengthOf(firstBlock, endBlock) * sizeof(float) * Sections;

    /// <summary>The first parameter of a block; that of <see cref="BlockCount"/> is
    /// <see cref="Length"/>.</summary>
    public int StartOf(int block) =>
        (int)Math.Min(Length, (long)block * ParameterLayout.DefaultBlockLength);

    /// <summary>The pieces of a slice, as ranges of blocks.</summary>
    public ImmutableArray<(int First, int End)> PiecesOf(int firstBlock, int endBlock)
    {
        int most = BlocksPerPiece;
        var pieces = ImmutableArray.CreateBuilder<(int, int)>();
        for (int first = firstBlock; first < endBlock; first += most)
        {
            pieces.Add((first, Math.Min(first + most, endBlock)));
        }

        return pieces.ToImmutable();
    }
}
