using System.Collections.Immutable;
using Backprop.Engine;

namespace Backprop.Data.Augmentations;

/// <summary>
/// A random change of an image, as a user asks for it. Images are [rows, columns] or [rows,
/// columns, channels] and prepared: what comes in from outside an image is 0 in prepared units,
/// which under the normalization <c>unit</c> is the least value of the training part.
/// </summary>
public abstract record ImageAugmentation
{
    private ImageAugmentation()
    {
    }

    /// <summary>Moves the image by whole pixels, as far in each direction as drawn.</summary>
    /// <param name="Pixels">The furthest, at least 1.</param>
    public sealed record Shift(int Pixels) : ImageAugmentation
    {
        internal override IAugmentation Build(ImageShape shape, uint stream)
        {
            RequirePixels(Pixels, shape);
            return new Translation(shape, stream, Pixels, mirrored: false);
        }
    }

    /// <summary>Pads the image on every side with its mirror image and cuts a piece of the old size
    /// out.</summary>
    /// <param name="Pixels">The padding, at least 1, less than rows and columns.</param>
    public sealed record CropPad(int Pixels) : ImageAugmentation
    {
        internal override IAugmentation Build(ImageShape shape, uint stream)
        {
            RequirePixels(Pixels, shape);
            return new Translation(shape, stream, Pixels, mirrored: true);
        }
    }

    /// <summary>Swaps left and right.</summary>
    /// <param name="Probability">How often, in (0, 1].</param>
    public sealed record HorizontalFlip(double Probability = 0.5) : ImageAugmentation
    {
        internal override IAugmentation Build(ImageShape shape, uint stream)
        {
            Require(Probability is > 0 and <= 1, "a probability lies in (0, 1]");
            return new Flip(shape, stream, Probability);
        }
    }

    /// <summary>Turns the image around its center, interpolating between the four nearest pixels.
    /// </summary>
    /// <param name="Degrees">The furthest in either direction, in (0, 180].</param>
    public sealed record Rotate(double Degrees) : ImageAugmentation
    {
        internal override IAugmentation Build(ImageShape shape, uint stream)
        {
            Require(Degrees is > 0 and <= 180, "degrees lie in (0, 180]");
            return new Rotation(shape, stream, Degrees);
        }
    }

    /// <summary>Adds a normally distributed number to every value.</summary>
    /// <param name="StandardDeviation">In prepared units, above 0.</param>
    public sealed record Noise(double StandardDeviation) : ImageAugmentation
    {
        internal override IAugmentation Build(ImageShape shape, uint stream)
        {
            Require(
                StandardDeviation > 0 && double.IsFinite(StandardDeviation),
                "a standard deviation is above 0");
            return new GaussianNoise(shape, stream, StandardDeviation);
        }
    }

    /// <summary>Makes one augmentation that applies these in order, each with randomness of its
    /// own.</summary>
    /// <returns>Null where there are none.</returns>
    /// <param name="augmentations">In order.</param>
    /// <param name="shape">The shape of one sample's features.</param>
    /// <exception cref="ArgumentException">The features are not images, or a parameter is out of
    /// range; the message says what would be right.</exception>
    public static IAugmentation? Compose(
        ImmutableArray<ImageAugmentation> augmentations, Shape shape)
    {
        if (augmentations.IsEmpty)
        {
            return null;
        }

        var image = ImageShape.Of(shape);
        return new AugmentationSequence(
            [.. augmentations.Select((augmentation, i) => augmentation.Build(image, (uint)i))]);
    }

    internal abstract IAugmentation Build(ImageShape shape, uint stream);

    private static void RequirePixels(int pixels, ImageShape shape) => Require(
        pixels >= 1 && pixels < Math.Min(shape.Rows, shape.Columns),
        $"pixels lie between 1 and {Math.Min(shape.Rows, shape.Columns) - 1} for images of "
        + $"{shape.Rows}x{shape.Columns}");

    private static void Require(bool condition, string rule)
    {
        if (!condition)
        {
            throw new ArgumentException(rule);
        }
    }

    private sealed class AugmentationSequence(ImmutableArray<IAugmentation> parts) : IAugmentation
    {
        public void Apply(
            ulong seed, long epoch, long sample, Span<float> features, Span<float> scratch)
        {
            foreach (IAugmentation part in parts)
            {
                part.Apply(seed, epoch, sample, features, scratch);
            }
        }
    }
}
