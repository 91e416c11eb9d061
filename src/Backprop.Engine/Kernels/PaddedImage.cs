namespace Backprop.Engine.Kernels;

/// <summary>An image [height, width, channels] with a border of zeros around it.</summary>
/// <param name="Height">Rows of pixels.</param>
/// <param name="Width">Pixels of a row.</param>
/// <param name="Channels">Values of a pixel.</param>
/// <param name="Top">Zeroed rows above.</param>
/// <param name="Left">Zeroed pixels before each row.</param>
/// <param name="PaddedHeight">Rows, the border's among them.</param>
/// <param name="PaddedWidth">Pixels of a row, the border's among them.</param>
internal readonly record struct PaddedImage(
    int Height, int Width, int Channels, int Top, int Left, int PaddedHeight, int PaddedWidth)
{
    /// <summary>What an axis of a product that gathers reads.</summary>
    public static PaddedImage Of(in GatherAxis rows, in GatherAxis columns, int channels) => new(
        rows.Source, columns.Source, channels, rows.Low, columns.Low, rows.Padded,
        columns.Padded);

    /// <summary>Whether there is any border: else an image is read where it lies.</summary>
    public bool HasBorder => PaddedHeight != Height || PaddedWidth != Width;

    /// <summary>Floats of an image without its border.</summary>
    public int Floats => Height * Width * Channels;

    /// <summary>Floats from a row with its border to the next.</summary>
    public int RowFloats => PaddedWidth * Channels;

    /// <summary>Floats of the memory that <see cref="Place"/> needs.</summary>
    public long ScratchFloats => HasBorder ? (long)PaddedHeight * PaddedWidth * Channels : 0;

    /// <summary>Zeroes the memory that images are placed in: once, as images do not touch the
    /// border.</summary>
    public unsafe void Clear(float* scratch)
    {
        for (int row = 0; HasBorder && row < PaddedHeight; row++)
        {
            new Span<float>(scratch + (nint)row * RowFloats, RowFloats).Clear();
        }
    }

    /// <summary>Puts an image inside the border.</summary>
    /// <param name="image">[height, width, channels].</param>
    /// <param name="scratch">Memory that was cleared.</param>
    /// <returns>The first element of the padded image: the image itself where there is no
    /// border.</returns>
    public unsafe float* Place(float* image, float* scratch)
    {
        if (!HasBorder)
        {
            return image;
        }

        long bytes = (long)Width * Channels * sizeof(float);
        float* to = scratch + (nint)Top * RowFloats + (nint)Left * Channels;
        for (int row = 0; row < Height; row++)
        {
            Buffer.MemoryCopy(image, to, bytes, bytes);
            image += (nint)Width * Channels;
            to += RowFloats;
        }

        return scratch;
    }
}
