using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Engine.Optimizers;

/// <summary>What of one parameter tensor lies in one parameter block: the unit of the sums over
/// parameters.</summary>
/// <param name="View">The tensor, as an index into <see cref="ParameterLayout.Views"/>.</param>
/// <param name="Block">The block.</param>
/// <param name="Offset">Its first element in the flat vector.</param>
/// <param name="Length">Its elements; padding is in no piece.</param>
public readonly record struct ParameterPiece(int View, int Block, int Offset, int Length);

/// <summary>All pieces of a layout, in order. The pieces of a block stand together, so those of a
/// slice do, and the pieces of a tensor stand together as well.</summary>
public sealed class ParameterPieces
{
    private readonly int[] _firstOfBlock;
    private readonly int[] _firstOfView;

    /// <summary>Cuts the tensors of <paramref name="layout"/> at the borders of blocks.</summary>
    public ParameterPieces(ParameterLayout layout)
    {
        var pieces = ImmutableArray.CreateBuilder<ParameterPiece>();
        _firstOfBlock = new int[layout.BlockCount + 1];
        _firstOfView = new int[layout.Views.Length + 1];
        for (int view = 0; view < layout.Views.Length; view++)
        {
            int offset = layout.Views[view].Offset;
            int end = offset + layout.Views[view].Length;
            while (offset < end)
            {
                int block = offset / layout.BlockLength;
                long blockEnd = (block + 1L) * layout.BlockLength;
                int length = (int)Math.Min(end, blockEnd) - offset;
                pieces.Add(new ParameterPiece(view, block, offset, length));
                _firstOfBlock[block + 1] = pieces.Count;
                offset += length;
            }

            _firstOfView[view + 1] = pieces.Count;
        }

        All = pieces.ToImmutable();
    }

    /// <summary>The pieces, in the order of the flat vector.</summary>
    public ImmutableArray<ParameterPiece> All { get; }

    /// <summary>The first piece of a block; that of the block past the last one is the number of
    /// pieces.</summary>
    public int FirstOfBlock(int block) => _firstOfBlock[block];

    /// <summary>The first piece of a tensor; that of the view past the last one is the number of
    /// pieces.</summary>
    public int FirstOfView(int view) => _firstOfView[view];
}
