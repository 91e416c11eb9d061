using Backprop.Engine;

namespace Backprop.Data.Augmentations;

/// <summary>The dimensions of an image, row-major, channels innermost.</summary>
/// <param name="Rows">Height in pixels.</param>
/// <param name="Columns">Width in pixels.</param>
/// <param name="Channels">Values of a pixel.</param>
internal readonly record struct ImageShape(int Rows, int Columns, int Channels)
{
    /// <summary>Floats of an image.</summary>
    public int Count => Rows * Columns * Channels;

    /// <summary>Reads features of this shape as images.</summary>
    /// <exception cref="ArgumentException">They are not.</exception>
    public static ImageShape Of(Shape shape) => shape.Dimensions switch
    {
        [int rows, int columns] => new ImageShape(rows, columns, 1),
        [int rows, int columns, int channels] => new ImageShape(rows, columns, channels),
        _ => throw new ArgumentException(
            $"samples of {shape} are not images: these have two dimensions, rows and columns, or "
            + "three, with channels"),
    };

    /// <summary>Where a pixel's first channel lies.</summary>
    public int Offset(int row, int column) => ((row * Columns) + column) * Channels;
}
