using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Serving;

/// <summary>
/// The values of a slice's gradient nodes, as its ledgers hold them. The node that begins with
/// micro-batch 0 lies where the gradient is finished, so that the root needs no copy; what has just
/// arrived is added from where it was received, and copied only if its sibling is not here yet.
/// </summary>
/// <remarks>Buffers are kept for the next steps: nothing is allocated in steady state. An arrival
/// is never kept, since it takes room from its link, and who waits for a sibling may wait for that
/// very link.</remarks>
internal sealed class GradientValues : IDisposable
{
    private readonly SlicePlan _plan;
    private readonly int _firstPiece;
    private readonly int _offset;
    private readonly Dictionary<int, AlignedBuffer>[] _held;
    private readonly Stack<AlignedBuffer>[] _free;
    private long _bytesLeft;

    /// <summary>Values of the pieces of one slice.</summary>
    /// <param name="plan">How the vector is cut.</param>
    /// <param name="slice">The slice.</param>
    /// <param name="bytesToWait">What nodes may take that wait for their siblings.</param>
    public GradientValues(SlicePlan plan, int slice, long bytesToWait)
    {
        _plan = plan;
        _bytesLeft = bytesToWait;
        _firstPiece = plan.FirstPiece(slice);
        _offset = plan.SliceStart(slice);
        int pieces = plan.FirstPiece(slice + 1) - _firstPiece;
        _held = [.. Enumerable.Range(0, pieces).Select(_ => new Dictionary<int, AlignedBuffer>())];
        _free = [.. Enumerable.Range(0, pieces).Select(_ => new Stack<AlignedBuffer>())];
        Gradient = new AlignedBuffer(plan.SliceStart(slice + 1) - _offset);
    }

    /// <summary>[parameters of the slice]: the root, once every piece is whole.</summary>
    public AlignedBuffer Gradient { get; }

    /// <summary>Takes in a node that the slice's state has entered, and folds what can be folded.
    /// </summary>
    /// <param name="state">Has entered the node.</param>
    /// <param name="piece">The piece.</param>
    /// <param name="first">The node's first micro-batch.</param>
    /// <param name="values">[length of the piece]; not kept.</param>
    public void Enter(SliceState state, int piece, int first, ReadOnlySpan<float> values)
    {
        for (int i = 0; i < state.Superseded.Count; i++)
        {
            Release(piece, state.Superseded[i]);
        }

        bool isKept = false;
        while (state.TryFold(piece, out Fold fold))
        {
            if (!isKept)
            {
                int other = fold.Kept == first ? fold.Released : fold.Kept;
                ReadOnlySpan<float> held = ValuesOf(piece, other);
                if (fold.Kept == 0)
                {
                    GradientSum.Add(held, values, ValuesOf(piece, 0));
                    Release(piece, other);
                }
                else
                {
                    GradientSum.Add(held, values, ValuesOf(piece, other));
                    Rename(piece, other, fold.Kept);
                }

                isKept = true;
            }
            else
            {
                Span<float> kept = ValuesOf(piece, fold.Kept);
                GradientSum.Add(kept, ValuesOf(piece, fold.Released), kept);
                Release(piece, fold.Released);
            }
        }

        if (!isKept)
        {
            Hold(piece, first);
            values.CopyTo(ValuesOf(piece, first));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Gradient.Dispose();
        for (int piece = 0; piece < _held.Length; piece++)
        {
            foreach (AlignedBuffer buffer in _held[piece].Values.Concat(_free[piece]))
            {
                buffer.Dispose();
            }
        }
    }

    private Span<float> ValuesOf(int piece, int first) => first == 0
        ? Gradient.Span.Slice(_plan.Pieces[piece].Offset - _offset, _plan.Pieces[piece].Length)
        : _held[piece - _firstPiece][first].Span;

    private void Hold(int piece, int first)
    {
        if (first == 0)
        {
            return;
        }

        int index = piece - _firstPiece;
        _held[index].Add(
            first, _free[index].TryPop(out AlignedBuffer? buffer) ? buffer : Allocate(piece));
    }

    private AlignedBuffer Allocate(int piece)
    {
        int length = _plan.Pieces[piece].Length;
        _bytesLeft -= (long)length * sizeof(float);
        return _bytesLeft >= 0
            ? new AlignedBuffer(length)
            : throw new InsufficientMemoryException(
                "no memory may be used for gradients that wait for others to be added to: more"
                + " parameter servers would need less each");
    }

    private void Release(int piece, int first)
    {
        int index = piece - _firstPiece;
        if (first != 0 && _held[index].Remove(first, out AlignedBuffer? buffer))
        {
            _free[index].Push(buffer);
        }
    }

    private void Rename(int piece, int from, int to)
    {
        int index = piece - _firstPiece;
        if (from != to && _held[index].Remove(from, out AlignedBuffer? buffer))
        {
            _held[index].Add(to, buffer);
        }
    }
}
