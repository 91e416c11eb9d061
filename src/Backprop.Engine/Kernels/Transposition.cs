using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Backprop.Engine.Kernels;

/// <summary>Transposes matrices; moves bits, computes nothing.</summary>
internal static unsafe class Transposition
{
    private const int Block = 8;

    /// <summary>destination[column, row] = source[row, column].</summary>
    /// <param name="source">[rows, columns], rows <paramref name="sourceStride"/> floats apart.
    /// </param>
    /// <param name="sourceStride">Floats from a row of the source to the next.</param>
    /// <param name="rows">Rows of the source.</param>
    /// <param name="columns">Columns of the source.</param>
    /// <param name="destination">[columns, rows], rows <paramref name="destinationStride"/> floats
    /// apart.</param>
    /// <param name="destinationStride">Floats from a row of the destination to the next.</param>
    public static void Run(
        float* source, nint sourceStride, int rows, int columns, float* destination,
        nint destinationStride)
    {
        int row = 0, column = 0;
        if (Avx.IsSupported)
        {
            for (; row + Block <= rows; row += Block)
            {
                float* from = source + row * sourceStride;
                for (column = 0; column + Block <= columns; column += Block)
                {
                    TransposeBlock(
                        from + column, sourceStride,
                        destination + column * destinationStride + row, destinationStride);
                }

                Plain(
                    from + column, sourceStride, Block, columns - column,
                    destination + column * destinationStride + row, destinationStride);
            }
        }

        Plain(
            source + row * sourceStride, sourceStride, rows - row, columns, destination + row,
            destinationStride);
    }

    /// <summary>As <see cref="Run"/>, without vectors.</summary>
    internal static void Plain(
        float* source, nint sourceStride, int rows, int columns, float* destination,
        nint destinationStride)
    {
        // By blocks of rows, so that a cache line of the destination is filled while it is near.
        for (int first = 0; first < rows; first += Block)
        {
            int end = Math.Min(rows, first + Block);
            for (int column = 0; column < columns; column++)
            {
                for (int row = first; row < end; row++)
                {
                    destination[column * destinationStride + row] =
                        source[row * sourceStride + column];
                }
            }
        }
    }

    // Rows 0..3 in the lower halves and 4..7 in the upper ones; what is left is four transpositions
    // of 4 x 4 inside the halves.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeBlock(
        float* source, nint sourceStride, float* destination, nint destinationStride)
    {
        TransposeHalf(source, sourceStride, destination, destinationStride);
        TransposeHalf(
            source + Block / 2, sourceStride, destination + Block / 2 * destinationStride,
            destinationStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void TransposeHalf(
        float* source, nint sourceStride, float* destination, nint destinationStride)
    {
        const byte FirstPairs = 0x44, SecondPairs = 0xEE;
        float* lower = source + 4 * sourceStride;
        Vector256<float> row0 = Join(source, lower);
        Vector256<float> row1 = Join(source + sourceStride, lower + sourceStride);
        Vector256<float> row2 = Join(source + 2 * sourceStride, lower + 2 * sourceStride);
        Vector256<float> row3 = Join(source + 3 * sourceStride, lower + 3 * sourceStride);
        Vector256<float> low01 = Avx.UnpackLow(row0, row1), high01 = Avx.UnpackHigh(row0, row1);
        Vector256<float> low23 = Avx.UnpackLow(row2, row3), high23 = Avx.UnpackHigh(row2, row3);
        Avx.Shuffle(low01, low23, FirstPairs).Store(destination);
        Avx.Shuffle(low01, low23, SecondPairs).Store(destination + destinationStride);
        Avx.Shuffle(high01, high23, FirstPairs).Store(destination + 2 * destinationStride);
        Avx.Shuffle(high01, high23, SecondPairs).Store(destination + 3 * destinationStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Join(float* lower, float* upper) =>
        Vector256.Create(Vector128.Load(lower), Vector128.Load(upper));
}
