using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>Runs a micro-kernel where its whole vectors may be more columns than there are.
/// </summary>
internal static unsafe class TileStore<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    private const int PairedRows = 7;

    /// <summary>Computes the tile into <paramref name="c"/>; of its columns only
    /// <paramref name="columns"/> are stored.</summary>
    /// <param name="tile">What to compute; its output is set here.</param>
    /// <param name="rows">Rows of the tile.</param>
    /// <param name="vectors">Vectors of the tile's width.</param>
    /// <param name="columns">Columns that exist.</param>
    /// <param name="c">[rows, columns], rows <paramref name="stride"/> floats apart.</param>
    /// <param name="stride">Floats from a row of <paramref name="c"/> to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run(
        Tile* tile, int rows, int vectors, int columns, float* c, nint stride)
    {
        int width = vectors * TSimd.Lanes;
        if (columns == width)
        {
            tile->Output = c;
            tile->OutputStride = stride;
            MicroKernels<TVector, TSimd>.Run(rows, vectors, tile);
        }
        else
        {
            RunNarrow(tile, rows, vectors, columns, c, stride);
        }
    }

    /// <summary>As <see cref="Run"/>, for all micro-batches of a tile.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RunFolded(
        FoldedTile* tile, int rows, int vectors, int columns, float* c, nint stride)
    {
        int width = vectors * TSimd.Lanes;
        if (columns == width)
        {
            tile->Output = c;
            tile->OutputStride = stride;
            RunWhole(tile, rows, vectors);
        }
        else
        {
            RunFoldedNarrow(tile, rows, vectors, columns, c, stride);
        }
    }

    /// <summary>As <see cref="Run"/>, for a tile whose steps are gathered and whose chains begin at
    /// +0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void RunGathered(
        GatheredTile* tile, int rows, int vectors, int columns, float* c, nint stride)
    {
        int width = vectors * TSimd.Lanes;
        if (columns == width)
        {
            tile->Output = c;
            tile->OutputStride = stride;
            MicroKernels<TVector, TSimd>.RunGathered(rows, vectors, tile);
        }
        else
        {
            RunGatheredNarrow(tile, rows, vectors, columns, c, stride);
        }
    }

    [SkipLocalsInit]
    private static void RunGatheredNarrow(
        GatheredTile* tile, int rows, int vectors, int columns, float* c, nint stride)
    {
        float* whole = stackalloc float[Tile.MaxFloats];
        nint width = vectors * TSimd.Lanes;
        tile->Output = whole;
        tile->OutputStride = width;
        MicroKernels<TVector, TSimd>.RunGathered(rows, vectors, tile);
        Copy(whole, width, rows, columns, c, stride);
    }

    [SkipLocalsInit]
    private static void RunFoldedNarrow(
        FoldedTile* tile, int rows, int vectors, int columns, float* c, nint stride)
    {
        float* whole = stackalloc float[Tile.MaxFloats];
        nint width = vectors * TSimd.Lanes;
        tile->Output = whole;
        tile->OutputStride = width;
        RunWhole(tile, rows, vectors);
        Copy(whole, width, rows, columns, c, stride);
    }

    // With 32 registers the tile is taken in halves, so that two micro-batches of one are in them.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void RunWhole(FoldedTile* tile, int rows, int vectors)
    {
        if (Tile.MaxRows<TVector, TSimd>() < 2 * PairedRows)
        {
            MicroKernels<TVector, TSimd>.RunFolded(rows, vectors, tile);
            return;
        }

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

    [SkipLocalsInit]
    private static void RunNarrow(
        Tile* tile, int rows, int vectors, int columns, float* c, nint stride)
    {
        float* whole = stackalloc float[Tile.MaxFloats];
        nint width = vectors * TSimd.Lanes;
        if (tile->Resume)
        {
            Copy(c, stride, rows, columns, whole, width);
        }

        tile->Output = whole;
        tile->OutputStride = width;
        MicroKernels<TVector, TSimd>.Run(rows, vectors, tile);
        Copy(whole, width, rows, columns, c, stride);
    }

    private static void Copy(
        float* source, nint sourceStride, int rows, int columns, float* destination,
        nint destinationStride)
    {
        for (int row = 0; row < rows; row++)
        {
            CopyRow(source, columns, destination);
            source += sourceStride;
            destination += destinationStride;
        }
    }

    // By whole vectors, of which the last may overlap the one before.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyRow(float* source, int length, float* destination)
    {
        const int Wide = 8, Narrow = 4;
        if (length >= Wide)
        {
            for (int i = 0; i < length; i += Wide)
            {
                int at = Math.Min(i, length - Wide);
                Vector256.Load(source + at).Store(destination + at);
            }
        }
        else if (length >= Narrow)
        {
            int last = length - Narrow;
            Vector128<float> begin = Vector128.Load(source), end = Vector128.Load(source + last);
            begin.Store(destination);
            end.Store(destination + last);
        }
        else
        {
            for (int i = 0; i < length; i++)
            {
                destination[i] = source[i];
            }
        }
    }
}
