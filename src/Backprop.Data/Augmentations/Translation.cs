using Backprop.Engine.Randomness;

namespace Backprop.Data.Augmentations;

/// <summary>Moves an image by whole pixels; what comes in from outside is 0 or the mirror image.
/// </summary>
internal sealed class Translation(ImageShape shape, uint stream, int pixels, bool mirrored)
    : IAugmentation
{
    /// <inheritdoc/>
    public void Apply(
        ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch)
    {
        var random = new RandomStream(seed, RandomPurpose.Augmentation, stream, (ulong)epoch);
        int down = Draw(random.Word((ulong)sample, 0));
        int right = Draw(random.Word((ulong)sample, 1));
        features.CopyTo(scratch);
        for (int row = 0; row < shape.Rows; row++)
        {
            for (int column = 0; column < shape.Columns; column++)
            {
                Span<float> pixel = features.Slice(shape.Offset(row, column), shape.Channels);
                CopyPixel(scratch, row - down, column - right, pixel);
            }
        }
    }

    private int Draw(uint word) => (int)((ulong)word * (2 * (uint)pixels + 1) >> 32) - pixels;

    private void CopyPixel(
        ReadOnlySpan<float> source, int row, int column, Span<float> destination)
    {
        if (mirrored)
        {
            row = Mirror(row, shape.Rows);
            column = Mirror(column, shape.Columns);
        }

        if ((uint)row < (uint)shape.Rows && (uint)column < (uint)shape.Columns)
        {
            source.Slice(shape.Offset(row, column), shape.Channels).CopyTo(destination);
        }
        else
        {
            destination.Clear();
        }
    }

    // The pixel at the edge is the mirror, and stands once: … 2 1 0 1 2 …
    private static int Mirror(int index, int length) =>
        index < 0 ? -index : index >= length ? (2 * length) - 2 - index : index;
}
