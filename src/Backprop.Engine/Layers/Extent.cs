namespace Backprop.Engine.Layers;

/// <summary>A number for each of an image's two directions.</summary>
/// <param name="Height">From top to bottom.</param>
/// <param name="Width">From left to right; the only one of a sequence, whose height is 1 (or 0,
/// for padding).</param>
public readonly record struct Extent(int Height, int Width)
{
    /// <summary>The same in both directions.</summary>
    public static Extent Square(int size) => new(size, size);

    /// <summary>For example <c>3x3</c>.</summary>
    public override string ToString() => $"{Height}x{Width}";
}

/// <summary>What stands around an image while windows slide over it.</summary>
/// <param name="Border">Pixels on either side of each direction; null: as many as it takes for
/// ceil(image / stride) windows, the odd one after the image.</param>
public readonly record struct Padding(Extent? Border)
{
    /// <summary>As many outputs as ceil(inputs / stride).</summary>
    public static Padding Same { get; } = new(null);

    /// <summary>None: windows stay inside the image.</summary>
    public static Padding Valid { get; } = new(new Extent(0, 0));

    /// <summary>So many pixels above and below, and so many to the left and to the right.</summary>
    public static Padding Of(int height, int width) => new(new Extent(height, width));
}
