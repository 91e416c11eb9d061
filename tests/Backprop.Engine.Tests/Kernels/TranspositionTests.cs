using Backprop.Engine.Kernels;

namespace Backprop.Engine.Tests.Kernels;

/// <summary>Packing and transposing move every element to its place, with vectors and without.
/// </summary>
public sealed unsafe class TranspositionTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(8, 8)]
    [InlineData(7, 30)]
    [InlineData(30, 7)]
    [InlineData(16, 24)]
    [InlineData(33, 65)]
    public void Every_element_finds_its_place(int rows, int columns)
    {
        const int SourceGap = 3, DestinationGap = 5;
        int sourceStride = columns + SourceGap, destinationStride = rows + DestinationGap;
        using AlignedBuffer source = ProductOperands.Create(rows * sourceStride, 1);
        using AlignedBuffer destination = new(columns * destinationStride);
        using AlignedBuffer plain = new(columns * destinationStride);
        Transposition.Run(
            source.Pointer, sourceStride, rows, columns, destination.Pointer, destinationStride);
        Transposition.Plain(
            source.Pointer, sourceStride, rows, columns, plain.Pointer, destinationStride);
        for (int i = 0; i < columns * destinationStride; i++)
        {
            int column = i / destinationStride, row = i % destinationStride;
            float expected = row < rows ? source.Span[row * sourceStride + column] : 0f;
            Assert.Equal(expected, destination.Span[i]);
            Assert.Equal(expected, plain.Span[i]);
        }
    }
}
