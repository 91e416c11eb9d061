namespace Backprop.Engine.Kernels;

/// <summary>What a <see cref="Workspace"/> holds.</summary>
internal enum WorkspaceSlot
{
    /// <summary>Packed tiles of a.</summary>
    PackedA,

    /// <summary>Packed panels of b.</summary>
    PackedB,

    /// <summary>A whole operand, transposed.</summary>
    TransposedOperand,

    /// <summary>A whole product, transposed.</summary>
    TransposedProduct,

    /// <summary>The levels of the gradient tree, for the tile at hand.</summary>
    Levels,

    /// <summary>Where micro-batches start, counted in positions of sequences.</summary>
    Starts,

    /// <summary>An embedding's tokens, sorted.</summary>
    Tokens,

    /// <summary>Attention's weights, for the tile of queries at hand.</summary>
    AttentionWeights,

    /// <summary>The gradients of attention's weights, for the tile of queries at hand.</summary>
    AttentionGradients,
}

/// <summary>Scratch memory of one thread, outside the managed heap: taken once at the largest size
/// asked for, and freed some time after the thread has ended.</summary>
internal sealed unsafe class Workspace
{
    [ThreadStatic]
    private static Workspace? t_ofThisThread;

    private readonly AlignedBuffer?[] _buffers =
        new AlignedBuffer?[Enum.GetValues<WorkspaceSlot>().Length];

    /// <summary>The calling thread's own.</summary>
    public static Workspace OfThisThread => t_ofThisThread ??= new Workspace();

    /// <summary>At least <paramref name="floats"/> floats, 64-byte aligned, of any content. They
    /// are the caller's until the slot is asked for again on this thread.</summary>
    /// <exception cref="InsufficientMemoryException">There is no such memory.</exception>
    public float* Take(WorkspaceSlot slot, long floats)
    {
        ref AlignedBuffer? buffer = ref _buffers[(int)slot];
        if (buffer is null || buffer.Length < floats)
        {
            buffer?.Dispose();
            buffer = null;
            buffer = new AlignedBuffer(checked((int)floats));
        }

        return buffer.Pointer;
    }
}
