using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Backprop.Distributed.Links;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Numerics;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Working;

/// <summary>Where the gradients of a generation go.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Servers">The servers in the order of their slices.</param>
/// <param name="Plan">How the vector is cut.</param>
/// <param name="Transport">How pieces travel.</param>
internal sealed record PushTarget(
    RunHash Run, Generation Generation, ImmutableArray<NodeId> Servers, SlicePlan Plan,
    TransportSpecification Transport);

/// <summary>The gradients of a range of micro-batches, which links may still be sending: they may
/// be written again when they are no longer kept and no link has any of them.</summary>
/// <param name="set">The gradients.</param>
/// <param name="rounded">What they are sent from where they travel rounded, two to a float: a
/// buffer a node; none: they are sent from where they lie.</param>
/// <param name="released">Called, on a thread of a link, when a link has one piece less.</param>
/// <param name="time">The clock.</param>
internal sealed class KeptGradients(
    GradientSet set, ImmutableArray<AlignedBuffer> rounded, Action released, TimeProvider time)
    : ISendCompletion, IDisposable
{
    /// <summary>Rounded elements in the place of a float.</summary>
    public const int RoundedToAFloat = sizeof(float) / Bfloat16.Bytes;

    private int[] _bySlice = [];
    private int _underWay;
    private bool _isPushed;

    // Ticks of when the last piece left; 0: it has not.
    private long _leftAt;

    /// <summary>The gradients.</summary>
    public GradientSet Set => set;

    /// <summary>The step they are of.</summary>
    public long Step { get; private set; }

    /// <summary>Where they go.</summary>
    public PushTarget Target { get; private set; } = null!;

    /// <summary>Whether they are of the step at hand.</summary>
    public bool IsKept { get; set; }

    /// <summary>Whether links have any of them.</summary>
    public bool IsUnderWay => Volatile.Read(ref _underWay) > 0;

    /// <summary>When the last piece left, by a clock that does not go back; null: links have some
    /// still.</summary>
    public TimeSpan? LeftAt =>
        !IsUnderWay && Volatile.Read(ref _leftAt) is > 0 and var ticks ? new TimeSpan(ticks) : null;

    /// <summary>Whether they may be written.</summary>
    public bool IsFree => !IsKept && !IsUnderWay;

    /// <summary>They are about to be computed.</summary>
    public void Begin(long step, PushTarget target)
    {
        Step = step;
        Target = target;
        IsKept = true;
        Volatile.Write(ref _isPushed, false);
        Volatile.Write(ref _leftAt, 0);
        if (_bySlice.Length != target.Servers.Length)
        {
            _bySlice = new int[target.Servers.Length];
        }
    }

    /// <summary>All pieces are queued: from now on it is seen when the last one leaves.</summary>
    public void Pushed()
    {
        Volatile.Write(ref _isPushed, true);
        if (!IsUnderWay)
        {
            NoteLeft();
        }
    }

    /// <summary>A piece of every node is final: where it travels rounded, it is rounded.</summary>
    public void Finish(in Piece piece)
    {
        if (Target.Transport.OfGradient(piece) == ElementEncoding.Fp32)
        {
            return;
        }

        for (int node = 0; node < rounded.Length; node++)
        {
            Bfloat16.Round(
                set.Gradient(node).Span.Slice(piece.Offset, piece.Length),
                MemoryMarshal.Cast<float, ushort>(rounded[node].Span)
                    .Slice(piece.Offset, piece.Length));
        }
    }

    /// <summary>Where a node's piece is sent from.</summary>
    /// <param name="node">The node.</param>
    /// <param name="piece">The piece.</param>
    /// <param name="encoding">How it is encoded there.</param>
    /// <param name="start">Where it begins, in floats.</param>
    public AlignedBuffer SourceOf(
        int node, in Piece piece, out ElementEncoding encoding, out int start)
    {
        encoding = Target.Transport.OfGradient(piece);
        bool isRounded = encoding == ElementEncoding.Bf16;
        start = isRounded ? piece.Offset / RoundedToAFloat : piece.Offset;
        return isRounded ? rounded[node] : set.Gradient(node);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        set.Dispose();
        foreach (AlignedBuffer buffer in rounded)
        {
            buffer.Dispose();
        }
    }

    /// <summary>Whether pieces of a slice have not left yet.</summary>
    public bool IsUnderWayTo(int slice) => Volatile.Read(ref _bySlice[slice]) > 0;

    /// <summary>A piece is about to be queued.</summary>
    public void Hold(int slice)
    {
        Interlocked.Increment(ref _underWay);
        Interlocked.Increment(ref _bySlice[slice]);
    }

    /// <summary>A piece was not queued after all.</summary>
    public void Release(int slice)
    {
        Interlocked.Decrement(ref _bySlice[slice]);
        if (Volatile.Read(ref _isPushed))
        {
            // Any may be the last, and afterwards they may be those of another step.
            NoteLeft();
        }

        Interlocked.Decrement(ref _underWay);
    }

    private void NoteLeft() => Volatile.Write(ref _leftAt, time.GetElapsedTime(0).Ticks);

    /// <inheritdoc/>
    public void OnReleased(in FrameHeader header, bool sent)
    {
        Release(Target.Plan.Pieces[header.Piece].Slice);
        released();
    }
}
