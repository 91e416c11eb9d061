namespace Backprop.Engine.Kernels;

/// <summary>A matrix seen through strides: row-major, transposed, or a part of either.</summary>
/// <param name="Elements">Element [0, 0].</param>
/// <param name="RowStride">Floats from a row to the next.</param>
/// <param name="ColumnStride">Floats from a column to the next.</param>
internal readonly unsafe struct StridedMatrix(float* Elements, nint RowStride, nint ColumnStride)
{
    /// <summary>Element [0, 0].</summary>
    public readonly float* Elements = Elements;

    /// <summary>Floats from a row to the next.</summary>
    public readonly nint RowStride = RowStride;

    /// <summary>Floats from a column to the next.</summary>
    public readonly nint ColumnStride = ColumnStride;

    /// <summary>The same elements with rows and columns exchanged.</summary>
    public StridedMatrix Transposed => new(Elements, ColumnStride, RowStride);

    /// <summary>The part that begins at [<paramref name="row"/>, <paramref name="column"/>].
    /// </summary>
    public StridedMatrix From(nint row, nint column) =>
        new(At(row, column), RowStride, ColumnStride);

    /// <summary>The address of an element.</summary>
    public float* At(nint row, nint column) =>
        Elements + row * RowStride + column * ColumnStride;
}
