using System.Collections.Immutable;
using Backprop.Engine.Kernels;

namespace Backprop.Engine.Layers;

/// <summary>What a layer whose windows slide over images reads: images [height, width, channels],
/// or sequences [length, channels], which are images of one row.</summary>
/// <param name="Height">Rows; 1 for a sequence.</param>
/// <param name="Width">Pixels of a row.</param>
/// <param name="Channels">Values of a pixel.</param>
internal readonly record struct ImageSize(int Height, int Width, int Channels)
{
    /// <summary>Reads a shape as images (<paramref name="dimensions"/> = 2: HxW of one channel, or
    /// HxWxC) or as sequences (1: LxC).</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public static ImageSize Of(Shape shape, int dimensions, string layer) =>
        (dimensions, shape.Dimensions) switch
        {
            (2, [int height, int width]) => new ImageSize(height, width, 1),
            (2, [int height, int width, int channels]) => new ImageSize(height, width, channels),
            (1, [int length, int channels]) => new ImageSize(1, length, channels),
            _ => throw new ArgumentException(
                $"{layer} reads {Expected(dimensions)}, but its input is of shape {shape}: a "
                + "reshape layer before it would make it one"),
        };

    /// <summary>The shape of images of this size.</summary>
    /// <param name="dimensions">2, or 1 for sequences.</param>
    /// <param name="layer">Whose, for the message.</param>
    /// <exception cref="ArgumentException">There are more elements than a buffer holds.
    /// </exception>
    public Shape ToShape(int dimensions, string layer)
    {
        if ((long)Height * Width > Shape.MaxCount / Channels)
        {
            throw new ArgumentException(
                $"{layer} would make {Height:N0}x{Width:N0}x{Channels:N0} values of a row; "
                + $"{Shape.MaxCount:N0} is the most");
        }

        return dimensions == 1 ? Shape.Of(Width, Channels) : Shape.Of(Height, Width, Channels);
    }

    private static string Expected(int dimensions) => dimensions == 1
        ? "sequences, length x channels"
        : "images, height x width or height x width x channels";
}

/// <summary>How windows slide over an image, as the user asks for it.</summary>
/// <param name="Kernel">Taps of a window.</param>
/// <param name="Stride">From a window to the next.</param>
/// <param name="Dilation">From a tap to the next.</param>
/// <param name="Padding">What stands around the image.</param>
internal readonly record struct WindowOptions(
    Extent Kernel, Extent Stride, Extent Dilation, Padding Padding)
{
    /// <summary>The windows over an image of known size.</summary>
    /// <exception cref="ArgumentException">A number is out of its range, or no window fits; the
    /// message says what would be right.</exception>
    public (WindowAxis Rows, WindowAxis Columns) Over(int height, int width, string layer) =>
        (Axis(height, Kernel.Height, Stride.Height, Dilation.Height, Padding.Border?.Height, layer,
            "rows"),
            Axis(width, Kernel.Width, Stride.Width, Dilation.Width, Padding.Border?.Width, layer,
            "columns"));

    private static WindowAxis Axis(
        int image, int kernel, int stride, int dilation, int? padding, string layer, string what)
    {
        if (kernel < 1 || stride < 1 || dilation < 1 || padding < 0)
        {
            throw new ArgumentException(
                $"{layer} has a kernel of {kernel}, a stride of {stride}, a dilation of "
                + $"{dilation} and a padding of {padding ?? 0}; the first three are at least 1, "
                + "and a padding at least 0");
        }

        long span = (kernel - 1L) * dilation + 1;
        long before, after;
        if (padding is int border)
        {
            if (border >= span)
            {
                throw new ArgumentException(
                    $"{layer} has a padding of {border}, but its windows span {span}: a window "
                    + $"would see nothing but padding; {span - 1} is the most");
            }

            before = after = border;
        }
        else
        {
            long needed = (image - 1L) / stride * stride + span - image;
            before = Math.Max(0, needed) / 2;
            after = Math.Max(0, needed) - before;
        }

        long padded = before + image + after;
        if (padded > Shape.MaxCount || span > padded)
        {
            throw new ArgumentException(
                $"{layer} has windows that span {span:N0} {what}, with a padding of {before:N0} "
                + $"and {after:N0}, over an image of {image:N0}: "
                + (span > padded
                    ? "the image must be as large as a window at least"
                    : $"{Shape.MaxCount:N0} is the most"));
        }

        return new WindowAxis(image, kernel, stride, dilation, (int)before, (int)after);
    }
}
