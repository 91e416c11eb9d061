using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Backprop.Distributed.Links;
using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;

namespace Backprop.Distributed.Serving.Copies;

/// <summary>The numbers of a copy, block by block, each followed by its digest so that both are
/// sent from where they lie. Links may still have blocks when nobody else needs them.</summary>
internal sealed class CopiedSlice : ICopyTarget, ISendCompletion
{
    // A digest has 32 bits; the next block begins on a cache line again.
    private const int Stride = ParameterLayout.DefaultBlockLength + 16;
    private const int Retired = 1 << 30;

    private readonly PieceCut _cut;
    private readonly int _firstBlock;
    private readonly int _endBlock;
    private readonly AlignedBuffer[] _sections;
    private int _holders;

    /// <summary>Takes memory for the blocks [<paramref name="firstBlock"/>,
    /// <paramref name="endBlock"/>).</summary>
    /// <exception cref="InsufficientMemoryException">There is not as much.</exception>
    public CopiedSlice(PieceCut cut, int firstBlock, int endBlock)
    {
        _cut = cut;
        _firstBlock = firstBlock;
        _endBlock = endBlock;
        _sections = new AlignedBuffer[cut.Sections];
        try
        {
            for (int i = 0; i < _sections.Length; i++)
            {
                _sections[i] = new AlignedBuffer(checked((endBlock - firstBlock) * Stride));
            }
        }
        catch (InsufficientMemoryException)
        {
            Free();
            throw;
        }
    }

    /// <summary>Whether no link has a block of it.</summary>
    public bool IsFree => Volatile.Read(ref _holders) == 0;

    /// <summary>Sections: the weights, each optimizer state, the best weights.</summary>
    public int Sections => _sections.Length;

    /// <summary>Bytes that the copy of so many blocks takes.</summary>
    public static long BytesOf(PieceCut cut, int firstBlock, int endBlock) =>
        (long)(endBlock - firstBlock) * Stride * sizeof(float) * cut.Sections;

    /// <summary>The digest of a block.</summary>
    public static uint DigestOf(ReadOnlySpan<float> elements) =>
        Crc32C.Of(MemoryMarshal.AsBytes(elements));

    /// <summary>The elements of a block, of the digest that follows them.</summary>
    /// <exception cref="CheckpointException">They do not match.</exception>
    public static ReadOnlySpan<float> Verified(
        ReadOnlySpan<float> elementsAndDigest, int section, int block)
    {
        ReadOnlySpan<float> elements = elementsAndDigest[..^1];
        uint digest = BinaryPrimitives.ReadUInt32LittleEndian(
            MemoryMarshal.AsBytes(elementsAndDigest[^1..]));
        return DigestOf(elements) == digest
            ? elements
            : throw new CheckpointException(
                $"block {block} of a copy in memory does not match its digest, in section"
                + $" {section}");
    }

    /// <summary>Whether it is of these blocks.</summary>
    public bool IsOf(PieceCut cut, int firstBlock, int endBlock) =>
        _cut == cut && _firstBlock == firstBlock && _endBlock == endBlock;

    /// <summary>Copies a slice.</summary>
    public void Fill(SliceContent slice)
    {
        for (int section = 0; section < _sections.Length; section++)
        {
            for (int block = _firstBlock; block < _endBlock; block++)
            {
                Span<float> place = Place(section, block);
                slice.Block(section, block).CopyTo(place);
                BinaryPrimitives.WriteUInt32LittleEndian(
                    MemoryMarshal.AsBytes(place[^1..]), DigestOf(place[..^1]));
            }
        }
    }

    /// <inheritdoc/>
    public void Put(int section, int block, ReadOnlySpan<float> elementsAndDigest) =>
        elementsAndDigest.CopyTo(Place(section, block));

    /// <summary>A block and its digest.</summary>
    public ReadOnlySpan<float> Block(int section, int block) => Place(section, block);

    /// <summary>Sends a block.</summary>
    /// <returns>Whether it is queued.</returns>
    public bool TrySend(
        LinkHub links, Training.Protocol.NodeId to, RunHash run, long version, int section,
        int block)
    {
        Interlocked.Increment(ref _holders);
        var header = FrameHeader.Copy(
            run, version, section, _cut.StartOf(block), _cut.LengthOf(block, block + 1) + 1);
        bool isQueued = links.TrySend(
            to, header, _sections[section], (block - _firstBlock) * Stride, this)
            == SendResult.Queued;
        if (!isQueued)
        {
            Release();
        }

        return isQueued;
    }

    /// <inheritdoc/>
    public void OnReleased(in FrameHeader header, bool sent) => Release();

    /// <summary>Frees the memory, at once or when no link has any of it.</summary>
    public void Retire()
    {
        if (Interlocked.Add(ref _holders, Retired) == Retired)
        {
            Free();
        }
    }

    private void Release()
    {
        if (Interlocked.Decrement(ref _holders) == Retired)
        {
            Free();
        }
    }

    private void Free() => Array.ForEach(_sections, section => section?.Dispose());

    private Span<float> Place(int section, int block) => _sections[section].Span.Slice(
        (block - _firstBlock) * Stride, _cut.LengthOf(block, block + 1) + 1);
}
