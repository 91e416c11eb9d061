using Backprop.Data.Augmentations;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Random changes of training images.</summary>
internal static class AugmentationSchema
{
    private static readonly Key<long> Pixels = Key.Required(
        "pixels", Kinds.Count, "the furthest, less than rows and columns");

    private static readonly Key<long> Padding = Key.Required(
        "pixels", Kinds.Count, "the padding on every side, less than rows and columns");

    private static readonly Key<double> Probability = Key.Optional(
        "probability", Kinds.FractionAboveZero, 0.5, "0.5", "how often");

    private static readonly Key<double> Degrees = Key.Required(
        "degrees", new NumberKind(0, 180, isMinimumOpen: true),
        "the furthest in either direction");

    private static readonly Key<double> Deviation = Key.Required(
        "standard-deviation", Kinds.Positive, "of what is added, in normalized units");

    public static Choice<ImageAugmentation> Augmentation { get; } = new(
        "augmentation",
        new Section<ImageAugmentation>(
            "shift", "Moves the image by whole pixels in each direction.", [Pixels],
            k => new ImageAugmentation.Shift(k.GetInt(Pixels)), Pixels),
        new Section<ImageAugmentation>(
            "crop-pad", "Pads the image with its mirror image and cuts the old size out.",
            [Padding], k => new ImageAugmentation.CropPad(k.GetInt(Padding)), Padding),
        new Section<ImageAugmentation>(
            "flip", "Swaps left and right.", [Probability],
            k => new ImageAugmentation.HorizontalFlip(k.Get(Probability)), Probability),
        new Section<ImageAugmentation>(
            "rotate", "Turns the image around its center.", [Degrees],
            k => new ImageAugmentation.Rotate(k.Get(Degrees)), Degrees),
        new Section<ImageAugmentation>(
            "noise", "Adds a normally distributed number to every value.", [Deviation],
            k => new ImageAugmentation.Noise(k.Get(Deviation)), Deviation));
}
