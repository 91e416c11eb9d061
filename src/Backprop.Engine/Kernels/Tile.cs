using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>A tile of outputs, some rows by one or two vectors, as a kind of micro-kernel is given
/// it.</summary>
internal unsafe interface ITile<TSelf>
    where TSelf : unmanaged, ITile<TSelf>
{
    /// <summary>True: the chains begin with what stands where the tile goes.</summary>
    bool Resumes { get; }

    /// <summary>Computes a tile.</summary>
    static abstract void Run<TVector, TSimd>(TSelf* tile, int rows, int vectors)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;

    /// <summary>Says where the tile goes.</summary>
    /// <param name="output">Its first element.</param>
    /// <param name="stride">Floats from a row to the next.</param>
    void PlaceAt(float* output, nint stride);
}

/// <summary>
/// What a micro-kernel is given: a tile of outputs, some rows by one or two vectors. It starts from
/// +0, or takes up the chains that stand in <see cref="Output"/>; runs <see cref="Steps"/> steps of
/// the inner dimension, ascending; adds the bias; and stores.
/// </summary>
internal unsafe struct Tile : ITile<Tile>
{
    /// <summary>Floats of the largest tile at the widest vectors.</summary>
    public const int MaxFloats = 14 * 32;

    /// <summary>Steps of the inner dimension; may be none.</summary>
    public nint Steps;

    /// <summary>a of the first row at the first step.</summary>
    public byte* A;

    /// <summary>Bytes from a row of a to the next.</summary>
    public nint ARowBytes;

    /// <summary>Bytes from a step of a to the next.</summary>
    public nint AStepBytes;

    /// <summary>Bytes ahead of the step at hand to prefetch in a.</summary>
    public nint APrefetchBytes;

    /// <summary>b of the first column at the first step; a step's columns are adjacent.</summary>
    public float* B;

    /// <summary>Floats from a step of b to the next.</summary>
    public nint BStride;

    /// <summary>Floats ahead of the step at hand to prefetch in b.</summary>
    public nint BPrefetch;

    /// <summary>True: the chains begin with what stands in <see cref="Output"/>.</summary>
    public bool Resume;

    /// <summary>Added to every row at the end; null for none.</summary>
    public float* Bias;

    /// <summary>Where the tile goes.</summary>
    public float* Output;

    /// <summary>Floats from a row of <see cref="Output"/> to the next.</summary>
    public nint OutputStride;

    /// <summary>Floats ahead of <see cref="Output"/> to prefetch where chains are taken up again:
    /// the next tile's.</summary>
    public nint OutputPrefetch;

    /// <summary>The most rows whose accumulators stay in registers beside the vectors of b and a
    /// broadcast a: 14 where there are 32 registers, 6 where there are 16.</summary>
    public static int MaxRows<TVector, TSimd>()
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.Lanes > 1 && (Avx512F.VL.IsSupported || AdvSimd.Arm64.IsSupported) ? 14 : 6;

    /// <inheritdoc/>
    public readonly bool Resumes => Resume;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TVector, TSimd>(Tile* tile, int rows, int vectors)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        MicroKernels<TVector, TSimd>.Run(rows, vectors, tile);

    /// <inheritdoc/>
    public void PlaceAt(float* output, nint stride)
    {
        Output = output;
        OutputStride = stride;
    }
}

/// <summary>
/// What a micro-kernel that folds is given: a tile of outputs, some rows by one or two vectors.
/// Each micro-batch's chains start from +0 and run over its steps, ascending; they are then folded
/// up the gradient tree as a binary counter counts, and what the last one leaves is stored.
/// </summary>
internal unsafe struct FoldedTile : ITile<FoldedTile>
{
    private const int PairedRows = 7;

    /// <summary>First step of each micro-batch, and the end of the last.</summary>
    public int* Starts;

    /// <summary>The number of the last micro-batch, counted from 0.</summary>
    public uint LastMicroBatch;

    /// <summary>a of the first row at the first step of the first micro-batch.</summary>
    public byte* A;

    /// <summary>Bytes from a row of a to the next.</summary>
    public nint ARowBytes;

    /// <summary>Bytes from a step of a to the next.</summary>
    public nint AStepBytes;

    /// <summary>Bytes ahead of the step at hand to prefetch in a.</summary>
    public nint APrefetchBytes;

    /// <summary>b of the first column at the first step of the first micro-batch.</summary>
    public float* B;

    /// <summary>Floats from a step of b to the next.</summary>
    public nint BStride;

    /// <summary>Floats ahead of the step at hand to prefetch in b.</summary>
    public nint BPrefetch;

    /// <summary>Room for sums of earlier micro-batches: tile after tile,
    /// <see cref="Tile.MaxFloats"/> apart, rows without a gap; the number of a tile is its level in
    /// the gradient tree.</summary>
    public float* Levels;

    /// <summary>Where the tile goes.</summary>
    public float* Output;

    /// <summary>Floats from a row of <see cref="Output"/> to the next.</summary>
    public nint OutputStride;

    /// <inheritdoc/>
    public readonly bool Resumes => false;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TVector, TSimd>(FoldedTile* tile, int rows, int vectors)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        if (Tile.MaxRows<TVector, TSimd>() < 2 * PairedRows)
        {
            MicroKernels<TVector, TSimd>.RunFolded(rows, vectors, tile);
            return;
        }

        // With 32 registers the tile is taken in halves, so that two micro-batches of one are in
        // them.
        int upper = rows > PairedRows ? rows / 2 : rows;
        MicroKernels<TVector, TSimd>.RunPaired(upper, vectors, tile);
        if (upper < rows)
        {
            FoldedTile lower = *tile;
            lower.A += upper * lower.ARowBytes;
            lower.Output += upper * lower.OutputStride;
            MicroKernels<TVector, TSimd>.RunPaired(rows - upper, vectors, &lower);
        }
    }

    /// <inheritdoc/>
    public void PlaceAt(float* output, nint stride)
    {
        Output = output;
        OutputStride = stride;
    }
}

/// <summary>
/// What a micro-kernel that gathers is given: a tile of outputs, as <see cref="Tile"/>, but where a
/// step of a lies is read from a table. A convolution needs no copy of its windows that way: a row
/// is a position and a step an element of its window, or the other way round.
/// </summary>
internal unsafe struct GatheredTile : ITile<GatheredTile>
{
    /// <summary>Rows of a group: one pointer reaches so many.</summary>
    public const int GroupRows = 3;

    /// <summary>Steps of the inner dimension; may be none.</summary>
    public nint Steps;

    /// <summary>[steps]: floats from <see cref="A"/> to each step's first row.</summary>
    public int* Offsets;

    /// <summary>What the offsets count from.</summary>
    public float* A;

    /// <summary>Bytes from a row of a to the next in its group.</summary>
    public nint ARowBytes;

    /// <summary>Bytes from a group of <see cref="GroupRows"/> rows of a to the next; three times
    /// <see cref="ARowBytes"/> where rows are evenly spaced.</summary>
    public nint AGroupBytes;

    /// <summary>b of the first column at the first step; a step's columns are adjacent.</summary>
    public float* B;

    /// <summary>Floats from a step of b to the next.</summary>
    public nint BStride;

    /// <summary>Floats ahead of the step at hand to prefetch in b.</summary>
    public nint BPrefetch;

    /// <summary>True: the chains begin with what stands in <see cref="Output"/>.</summary>
    public bool Resume;

    /// <summary>Added to every row at the end; null for none.</summary>
    public float* Bias;

    /// <summary>Where the tile goes.</summary>
    public float* Output;

    /// <summary>Floats from a row of <see cref="Output"/> to the next.</summary>
    public nint OutputStride;

    /// <inheritdoc/>
    public readonly bool Resumes => Resume;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TVector, TSimd>(GatheredTile* tile, int rows, int vectors)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        MicroKernels<TVector, TSimd>.RunGathered(rows, vectors, tile);

    /// <inheritdoc/>
    public void PlaceAt(float* output, nint stride)
    {
        Output = output;
        OutputStride = stride;
    }
}
