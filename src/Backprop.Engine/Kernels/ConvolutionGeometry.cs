using Backprop.Engine.Gradients;

namespace Backprop.Engine.Kernels;

/// <summary>Where in a convolution's weights an element lies: tap t = kh·width + kw, channel c of
/// the image's in its group, channel o of the field's in its group, group g.</summary>
/// <param name="Tap">Floats from a tap to the next.</param>
/// <param name="Image">Floats from a channel of the image to the next.</param>
/// <param name="Field">Floats from a channel of the field to the next.</param>
/// <param name="Group">Floats from a group to the next.</param>
internal readonly record struct WeightStrides(int Tap, int Image, int Field, int Group);

/// <summary>
/// The sizes of a convolution: windows slide over an image [height, width, channels] and make a
/// field of it, [height, width, channels]. Channels of either are cut into groups, and those of a
/// group see those of the same group only.
/// </summary>
/// <param name="Rows">The windows from top to bottom.</param>
/// <param name="Columns">The windows from left to right.</param>
/// <param name="ImageChannels">Values of a pixel of the image.</param>
/// <param name="FieldChannels">Values of a position of the field.</param>
/// <param name="Groups">Groups; a divisor of both.</param>
/// <param name="Weights">How the weights lie.</param>
internal sealed record ConvolutionGeometry(
    WindowAxis Rows, WindowAxis Columns, int ImageChannels, int FieldChannels, int Groups,
    WeightStrides Weights)
{
    /// <summary>Positions that <see cref="ConvolutionWeightSum"/> takes at once, or one row of
    /// them: its table, and what it reads of an image, stay near.</summary>
    public const int BlockPositions = 1024;

    // The widest panel: panels of narrower vectors take no more room.
    private const int PanelColumns = 32;
    private const int FloatsPerLine = 16;

    /// <summary>Channels of the image in a group.</summary>
    public int ImageGroup => ImageChannels / Groups;

    /// <summary>Channels of the field in a group.</summary>
    public int FieldGroup => FieldChannels / Groups;

    /// <summary>Taps of a window.</summary>
    public int Taps => Rows.Kernel * Columns.Kernel;

    /// <summary>Positions of the field.</summary>
    public int Positions => Rows.Field * Columns.Field;

    /// <summary>Pixels of the image.</summary>
    public int Pixels => Rows.Image * Columns.Image;

    /// <summary>Whether every channel of the image makes one of the field, by itself.</summary>
    public bool IsDepthwise => Groups == ImageChannels && Groups == FieldChannels;

    /// <summary>The image as forward reads it.</summary>
    public PaddedImage PaddedImage => PaddedImage.Of(
        new GatherAxis(Rows, false), new GatherAxis(Columns, false), ImageChannels);

    /// <summary>The field as backward reads it.</summary>
    public PaddedImage PaddedField => PaddedImage.Of(
        new GatherAxis(Rows, true), new GatherAxis(Columns, true), FieldChannels);

    /// <summary>Multiply-adds of one row in each of the three passes.</summary>
    public long Operations => (long)Positions * Taps * ImageGroup * FieldChannels;

    /// <summary>Floats that each thread needs for itself.</summary>
    public long ThreadFloats => RoundUp(
        Math.Max(PaddedImage.ScratchFloats, PaddedField.ScratchFloats));

    /// <summary>Floats of the weight sums of one micro-batch, as tiles.</summary>
    public long WeightSumFloats =>
        RoundUp((long)Groups * Taps * ImageGroup * RoundUp(FieldGroup, PanelColumns));

    /// <summary>Floats that the threads share: a table and packed weights, or a table and the sums
    /// of as many micro-batches as are open in the gradient tree at once.</summary>
    public long SharedFloats(int microBatches)
    {
        long forward = RoundUp((long)Taps * ImageGroup)
            + (long)Groups * Taps * ImageGroup * RoundUp(FieldGroup, PanelColumns);
        long backward = RoundUp((long)Taps * FieldGroup)
            + (long)Groups * Taps * FieldGroup * RoundUp(ImageGroup, PanelColumns);
        long positions = Math.Max(BlockPositions, Columns.Field);
        long sums = RoundUp(positions) + TreeFold.LevelsOf(microBatches) * WeightSumFloats;
        return RoundUp(Math.Max(Math.Max(forward, backward), sums));
    }

    /// <summary>Rounds up to whole cache lines.</summary>
    public static long RoundUp(long floats, int grain = FloatsPerLine) =>
        (floats + grain - 1) / grain * grain;
}
