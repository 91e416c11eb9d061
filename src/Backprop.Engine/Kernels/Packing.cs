using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>
/// Copies operands into the order in which the micro-kernels read them, so that the inner loop
/// walks through memory without gaps (and without the cache conflicts of power-of-two strides).
/// </summary>
internal static unsafe class Packing<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    /// <summary>Floats of a step in a packed tile of a: the most rows of a tile, rounded up to a
    /// cache line.</summary>
    public const int AStep = 16;

    private const int FloatsPerLine = 16;
    private const int StepsAhead = 8;

    /// <summary>Packs a block of a as tiles of [steps][<see cref="AStep"/>], one after the other.
    /// </summary>
    /// <param name="a">The block, [rows, steps].</param>
    /// <param name="tiles">How its rows are cut into tiles.</param>
    /// <param name="steps">Steps of the inner dimension.</param>
    /// <param name="destination">[tiles][steps][<see cref="AStep"/>]; columns past a tile's rows
    /// hold rubbish.</param>
    public static void TilesOfA(
        StridedMatrix a, Partition tiles, int steps, float* destination)
    {
        for (int tile = 0; tile < tiles.Count; tile++)
        {
            int row = tiles.Start(tile);
            if (a.ColumnStride == 1)
            {
                int rows = Math.Min(AStep, tiles.Length - row);
                Transposition.Run(
                    a.At(row, 0), a.RowStride, rows, steps, destination, AStep);
            }
            else
            {
                CopySteps(a.At(row, 0), a.ColumnStride, steps, AStep, destination);
            }

            destination += (nint)AStep * steps;
        }
    }

    /// <summary>Copies rows of a to rows <paramref name="stride"/> floats apart.</summary>
    public static void RowsOfA(
        StridedMatrix a, int rows, int steps, float* destination, nint stride)
    {
        for (int row = 0; row < rows; row++)
        {
            Row(a.At(row, 0), steps, destination + row * stride);
        }
    }

    /// <summary>Packs a block of b as panels of [steps][width], one after the other: all of two
    /// vectors' width but the last, which is of one vector where that is enough.</summary>
    /// <param name="b">The block, [steps, columns].</param>
    /// <param name="steps">Steps of the inner dimension.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="destination">[panels][steps][width]; columns past the end hold rubbish.</param>
    public static void PanelsOfB(StridedMatrix b, int steps, int columns, float* destination)
    {
        for (int column = 0; column < columns; column += 2 * TSimd.Lanes)
        {
            int left = columns - column;
            int width = PanelVectors(left) * TSimd.Lanes;
            if (b.ColumnStride == 1)
            {
                CopySteps(b.At(0, column), b.RowStride, steps, width, destination);
            }
            else
            {
                Transposition.Run(
                    b.At(0, column), b.ColumnStride, Math.Min(width, left), steps, destination,
                    width);
            }

            destination += (nint)width * steps;
        }
    }

    /// <summary>The vectors of a panel, where <paramref name="columnsLeft"/> columns are left.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int PanelVectors(int columnsLeft) => columnsLeft > TSimd.Lanes ? 2 : 1;

    /// <summary>Floats of <see cref="PanelsOfB"/>'s destination.</summary>
    public static long PanelFloats(int steps, int columns)
    {
        long panelWidth = 2 * TSimd.Lanes;
        return (columns + panelWidth - 1) / panelWidth * panelWidth * steps;
    }

    // The last vector of a step reads past the matrix's end where the columns run out: into the
    // slack that follows every buffer.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void CopySteps(
        float* source, nint stride, int steps, int width, float* destination)
    {
        for (int step = 0; step < steps; step++)
        {
            for (int i = 0; i < width; i += FloatsPerLine)
            {
                TSimd.Prefetch(source + StepsAhead * stride + i);
            }

            for (int i = 0; i < width; i += TSimd.Lanes)
            {
                TSimd.Store(TSimd.Load(source + i), destination + i);
            }

            source += stride;
            destination += width;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Row(float* source, int length, float* destination)
    {
        int i = 0;
        for (; i + TSimd.Lanes <= length; i += TSimd.Lanes)
        {
            TSimd.Store(TSimd.Load(source + i), destination + i);
        }

        for (; i < length; i++)
        {
            destination[i] = source[i];
        }
    }
}
