using System.Collections.Immutable;
using Backprop.Engine.Networks;

namespace Backprop.Training.Protocol;

/// <summary>What one push or broadcast carries: consecutive elements of one layer, of one slice.
/// </summary>
/// <param name="Index">Its number in the whole plan, in the order of the flat vector.</param>
/// <param name="Slice">The slice it lies in.</param>
/// <param name="LayerIndex">The layer whose parameters it holds.</param>
/// <param name="Offset">Its first element in the flat vector.</param>
/// <param name="Length">Its elements, padding between views included: a multiple of 16.</param>
/// <param name="IsOfStatistics">Whether its layer has running statistics.</param>
public readonly record struct Piece(
    int Index, int Slice, int LayerIndex, int Offset, int Length, bool IsOfStatistics)
{
    /// <summary>One past its last element.</summary>
    public int End => Offset + Length;
}

/// <summary>
/// How the flat parameter vector is cut into slices, one a parameter server, and slices into
/// pieces. A function of the layout and the number of servers alone, so that everybody who knows
/// these knows the cut.
/// </summary>
public sealed class SlicePlan
{
    /// <summary>The most elements of a piece: 1 MiB, which keeps a link's frames short enough to
    /// overlap and long enough to cost nothing.</summary>
    public const int MaxPieceLength = MaxPieceBlocks * ParameterLayout.DefaultBlockLength;

    /// <summary>The blocks that these are.</summary>
    public const int MaxPieceBlocks = 4;

    private readonly int[] _firstPieces;

    /// <summary>Cuts <paramref name="layout"/> into <paramref name="sliceCount"/> slices.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer blocks than slices, or no
    /// slice.</exception>
    public SlicePlan(ParameterLayout layout, int sliceCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sliceCount, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sliceCount, layout.BlockCount);
        Layout = layout;
        SliceCount = sliceCount;
        Pieces = Cut();
        _firstPieces = new int[sliceCount + 1];
        foreach (Piece piece in Pieces)
        {
            _firstPieces[piece.Slice + 1] = piece.Index + 1;
        }
    }

    /// <summary>What is cut.</summary>
    public ParameterLayout Layout { get; }

    /// <summary>Slices: parameter servers that take part.</summary>
    public int SliceCount { get; }

    /// <summary>Every piece, in the order of the flat vector.</summary>
    public ImmutableArray<Piece> Pieces { get; }

    /// <summary>A piece by its number in messages. Those from the number of pieces on are the
    /// pieces of the average of the weights, at the same places.</summary>
    public Piece PieceOf(int number) => Pieces[number % Pieces.Length];

    /// <summary>Whether a number in messages is that of a piece of the average.</summary>
    public bool IsAverage(int number) => number >= Pieces.Length;

    /// <summary>Numbers that pieces have in messages.</summary>
    /// <param name="dimensions">The run's: only some have averages to send.</param>
    public int PieceNumbers(RunDimensions dimensions) =>
        Pieces.Length * (dimensions.EvaluatesAverage ? 2 : 1);

    /// <summary>As many slices as there are servers, or as there are blocks if these are fewer.
    /// </summary>
    public static int SliceCountFor(ParameterLayout layout, int servers) =>
        Math.Min(servers, layout.BlockCount);

    /// <summary>The first block of a slice; that of <see cref="SliceCount"/> is the number of
    /// blocks.</summary>
    public int FirstBlock(int slice) => (int)((long)Layout.BlockCount * slice / SliceCount);

    /// <summary>The first element of a slice; that of <see cref="SliceCount"/> is the length of
    /// the flat vector.</summary>
    public int SliceStart(int slice) => (int)Math.Min(
        Layout.Length, (long)FirstBlock(slice) * Layout.BlockLength);

    /// <summary>The first piece of a slice; that of <see cref="SliceCount"/> is the number of
    /// pieces.</summary>
    public int FirstPiece(int slice) => _firstPieces[slice];

    /// <summary>The pieces that become final together, when backward leaves a layer. They stand
    /// together, whatever slices they lie in.</summary>
    public ReadOnlySpan<Piece> PiecesOfLayer(int layer)
    {
        int first = 0;
        while (first < Pieces.Length && Pieces[first].LayerIndex != layer)
        {
            first++;
        }

        int end = first;
        while (end < Pieces.Length && Pieces[end].LayerIndex == layer)
        {
            end++;
        }

        return Pieces.AsSpan(first, end - first);
    }

    private ImmutableArray<Piece> Cut()
    {
        var pieces = ImmutableArray.CreateBuilder<Piece>();
        ImmutableArray<ParameterView> views = Layout.Views;
        int slice = 0;
        for (int first = 0; first < views.Length;)
        {
            int layer = views[first].LayerIndex;
            int end = first;
            bool isOfStatistics = false;
            while (end < views.Length && views[end].LayerIndex == layer)
            {
                isOfStatistics |= views[end].Declaration.Role == ParameterRole.Statistic;
                end++;
            }

            int layerEnd = end < views.Length ? views[end].Offset : Layout.Length;
            for (int offset = views[first].Offset; offset < layerEnd;)
            {
                while (offset >= SliceStart(slice + 1))
                {
                    slice++;
                }

                int pieceEnd = (int)Math.Min(
                    Math.Min(layerEnd, SliceStart(slice + 1)),
                    (long)offset + ((long)MaxPieceBlocks * Layout.BlockLength));
                pieces.Add(new Piece(
                    pieces.Count, slice, layer, offset, pieceEnd - offset, isOfStatistics));
                offset = pieceEnd;
            }

            first = end;
        }

        return pieces.ToImmutable();
    }
}
