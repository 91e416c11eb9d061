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
    /// <summary>Computes the tile into <paramref name="c"/>; of its columns only
    /// <paramref name="columns"/> are stored.</summary>
    /// <param name="tile">What to compute; its output is set here.</param>
    /// <param name="rows">Rows of the tile.</param>
    /// <param name="vectors">Vectors of the tile's width.</param>
    /// <param name="columns">Columns that exist.</param>
    /// <param name="c">[rows, columns], rows <paramref name="stride"/> floats apart.</param>
    /// <param name="stride">Floats from a row of <paramref name="c"/> to the next.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Run<TTile>(
        TTile* tile, int rows, int vectors, int columns, float* c, nint stride)
        where TTile : unmanaged, ITile<TTile>
    {
        if (columns == vectors * TSimd.Lanes)
        {
            tile->PlaceAt(c, stride);
            TTile.Run<TVector, TSimd>(tile, rows, vectors);
        }
        else
        {
            RunNarrow(tile, rows, vectors, columns, c, stride);
        }
    }

    [SkipLocalsInit]
    private static void RunNarrow<TTile>(
        TTile* tile, int rows, int vectors, int columns, float* c, nint stride)
        where TTile : unmanaged, ITile<TTile>
    {
        float* whole = stackalloc float[Tile.MaxFloats];
        nint width = vectors * TSimd.Lanes;
        if (tile->Resumes)
        {
            Copy(c, stride, rows, columns, whole, width);
        }

        tile->PlaceAt(whole, width);
        TTile.Run<TVector, TSimd>(tile, rows, vectors);
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
