using Backprop.Engine.Numerics;
using Backprop.Engine.Randomness;

namespace Backprop.Data.Augmentations;

/// <summary>Turns an image around its center by a random angle, counter-clockwise where it is
/// positive, with bilinear interpolation; outside of the image is 0.</summary>
internal sealed class Rotation(ImageShape shape, uint stream, double degrees) : IAugmentation
{
    /// <inheritdoc/>
    public void Apply(
        ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch)
    {
        var random = new RandomStream(seed, RandomPurpose.Augmentation, stream, (ulong)epoch);
        double share = (2.0 * random.Uniform((ulong)sample, 0)) - 1;
        Turn(share * degrees * (Math.PI / 180), features, scratch);
    }

    /// <summary>Turns an image by an angle in radians, in place.</summary>
    internal void Turn(double angle, Span<float> features, Span<float> scratch)
    {
        features.CopyTo(scratch);
        double cosine = ExactMath.Cos(angle), sine = ExactMath.Sin(angle);
        double middleRow = (shape.Rows - 1) / 2.0, middleColumn = (shape.Columns - 1) / 2.0;
        for (int row = 0; row < shape.Rows; row++)
        {
            for (int column = 0; column < shape.Columns; column++)
            {
                double down = row - middleRow, right = column - middleColumn;
                Interpolate(
                    scratch,
                    middleRow + (cosine * down) + (sine * right),
                    middleColumn + (cosine * right) - (sine * down),
                    features.Slice(shape.Offset(row, column), shape.Channels));
            }
        }
    }

    private void Interpolate(
        ReadOnlySpan<float> source, double row, double column, Span<float> destination)
    {
        int top = (int)Math.Floor(row), left = (int)Math.Floor(column);
        double below = row - top, beside = column - left;
        for (int channel = 0; channel < destination.Length; channel++)
        {
            double upper = (Pixel(source, top, left, channel) * (1 - beside))
                + (Pixel(source, top, left + 1, channel) * beside);
            double lower = (Pixel(source, top + 1, left, channel) * (1 - beside))
                + (Pixel(source, top + 1, left + 1, channel) * beside);
            destination[channel] = (float)((upper * (1 - below)) + (lower * below));
        }
    }

    private double Pixel(ReadOnlySpan<float> source, int row, int column, int channel) =>
        (uint)row < (uint)shape.Rows && (uint)column < (uint)shape.Columns
            ? source[shape.Offset(row, column) + channel]
            : 0;
}
