using System.Runtime.InteropServices;
using Backprop.Engine;

namespace Backprop.Distributed.Persistence;

/// <summary>What a slice has that a checkpoint stores: weights, optimizer states, and the best
/// weights if there are any.</summary>
public sealed class SliceContent
{
    private readonly AlignedBuffer _weights;
    private readonly AlignedBuffer _optimizerState;
    private readonly AlignedBuffer? _bestWeights;

    /// <summary>Of these buffers, which stay their owner's.</summary>
    /// <param name="cut">The run's.</param>
    /// <param name="firstBlock">The slice's first block.</param>
    /// <param name="endBlock">One past its last.</param>
    /// <param name="weights">[parameters of the slice].</param>
    /// <param name="optimizerState">[states · parameters of the slice], one state after the other.
    /// </param>
    /// <param name="bestWeights">[parameters of the slice]; null: there are none.</param>
    /// <exception cref="ArgumentException">The sizes do not fit each other.</exception>
    public SliceContent(
        PieceCut cut, int firstBlock, int endBlock, AlignedBuffer weights,
        AlignedBuffer optimizerState, AlignedBuffer? bestWeights)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(firstBlock);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(endBlock, firstBlock);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(endBlock, cut.BlockCount);
        int length = cut.LengthOf(firstBlock, endBlock);
        if (weights.Length != length || optimizerState.Length != (long)length * cut.StateCount
            || cut.HasBest != bestWeights is not null
            || (bestWeights is not null && bestWeights.Length != length))
        {
            throw new ArgumentException(
                $"{weights.Length} weights, {optimizerState.Length} floats of state and"
                + $" {bestWeights?.Length.ToString() ?? "no"} best weights are not those of"
                + $" {length} parameters in {cut}");
        }

        Cut = cut;
        FirstBlock = firstBlock;
        EndBlock = endBlock;
        _weights = weights;
        _optimizerState = optimizerState;
        _bestWeights = bestWeights;
    }

    /// <summary>The run's cut.</summary>
    public PieceCut Cut { get; }

    /// <summary>The first block.</summary>
    public int FirstBlock { get; }

    /// <summary>One past the last block.</summary>
    public int EndBlock { get; }

    /// <summary>Its size.</summary>
    public long Bytes => sizeof(float)
        * ((long)_weights.Length + _optimizerState.Length + (_bestWeights?.Length ?? 0));

    /// <summary>The content of a piece that lies in the slice, copied.</summary>
    public byte[] CopyOut(int firstBlock, int endBlock)
    {
        byte[] content = GC.AllocateUninitializedArray<byte>(
            (int)Cut.BytesOf(firstBlock, endBlock));
        Span<float> floats = Floats(content);
        int length = Cut.LengthOf(firstBlock, endBlock);
        for (int section = 0; section < Cut.Sections; section++)
        {
            Section(section, firstBlock, endBlock).CopyTo(floats.Slice(section * length, length));
        }

        return content;
    }

    /// <summary>Takes from a piece what lies in the slice.</summary>
    /// <param name="firstBlock">The piece's first block.</param>
    /// <param name="endBlock">One past its last.</param>
    /// <param name="content">[<see cref="PieceCut.BytesOf"/> its blocks].</param>
    public void CopyIn(int firstBlock, int endBlock, ReadOnlySpan<byte> content)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(
            content.Length, Cut.BytesOf(firstBlock, endBlock));
        int first = Math.Max(firstBlock, FirstBlock);
        int end = Math.Min(endBlock, EndBlock);
        if (first >= end)
        {
            return;
        }

        int length = Cut.LengthOf(firstBlock, endBlock);
        int offset = Cut.LengthOf(firstBlock, first);
        for (int section = 0; section < Cut.Sections; section++)
        {
            Span<float> destination = Section(section, first, end);
            int start = (section * length) + offset;
            content.Slice(start * sizeof(float), destination.Length * sizeof(float))
                .CopyTo(MemoryMarshal.AsBytes(destination));
        }
    }

    /// <summary>One block of a section: the weights, an optimizer state, or the best weights.
    /// </summary>
    internal Span<float> Block(int section, int block) => Section(section, block, block + 1);

    private static Span<float> Floats(byte[] content) =>
        BitConverter.IsLittleEndian
            ? MemoryMarshal.Cast<byte, float>(content.AsSpan())
            : throw new PlatformNotSupportedException("checkpoints are of little-endian floats");

    private Span<float> Section(int section, int firstBlock, int endBlock)
    {
        int offset = Cut.LengthOf(FirstBlock, firstBlock);
        int length = Cut.LengthOf(firstBlock, endBlock);
        if (section == 0)
        {
            return _weights.Span.Slice(offset, length);
        }

        return section <= Cut.StateCount
            ? _optimizerState.Span.Slice(((section - 1) * _weights.Length) + offset, length)
            : _bestWeights!.Span.Slice(offset, length);
    }
}
