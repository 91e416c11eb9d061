using Backprop.Engine.Kernels;

namespace Backprop.Engine.Tests.Kernels;

/// <summary>The plain definition of <see cref="Convolution"/>: what it must equal to the last bit
/// at every width, on any number of threads.</summary>
internal static unsafe class ReferenceConvolution
{
    /// <summary>See <see cref="Convolution.Forward"/>.</summary>
    public static void Forward(
        ConvolutionGeometry g, float* weights, float* bias, float* image, int rows, float* field)
    {
        for (int i = 0; i < rows * g.Positions * g.FieldChannels; i++)
        {
            (int position, int o) = int.DivRem(i, g.FieldChannels);
            (int row, int p) = int.DivRem(position, g.Positions);
            float sum = 0;
            foreach ((int tap, int c) in Elements(g, g.ImageGroup))
            {
                float x = Pixel(g, image, row, p, tap, o / g.FieldGroup * g.ImageGroup + c);
                sum = MathF.FusedMultiplyAdd(x, weights[IndexOf(g, tap, c, o)], sum);
            }

            field[i] = bias is null ? sum : sum + bias[o];
        }
    }

    /// <summary>See <see cref="Convolution.Backward"/>.</summary>
    public static void Backward(
        ConvolutionGeometry g, float* weights, float* bias, float* field, int rows, float* image)
    {
        for (int i = 0; i < rows * g.Pixels * g.ImageChannels; i++)
        {
            (int pixel, int channel) = int.DivRem(i, g.ImageChannels);
            (int row, int p) = int.DivRem(pixel, g.Pixels);
            (int group, int c) = int.DivRem(channel, g.ImageGroup);
            float sum = 0;
            foreach ((int tap, int inGroup) in Elements(g, g.FieldGroup))
            {
                (int kh, int kw) = int.DivRem(tap, g.Columns.Kernel);
                (int y, int x) = int.DivRem(p, g.Columns.Image);
                if (Window(g.Rows, y, kh) is int top && Window(g.Columns, x, kw) is int left)
                {
                    int o = group * g.FieldGroup + inGroup;
                    bool inside = top >= 0 && top < g.Rows.Field
                        && left >= 0 && left < g.Columns.Field;
                    float error = inside
                        ? field[((nint)row * g.Positions + top * g.Columns.Field + left)
                            * g.FieldChannels + o]
                        : 0f;
                    sum = MathF.FusedMultiplyAdd(error, weights[IndexOf(g, tap, c, o)], sum);
                }
            }

            image[i] = bias is null ? sum : sum + bias[channel];
        }
    }

    /// <summary>See <see cref="Convolution.WeightGradient"/>.</summary>
    public static void WeightGradient(
        ConvolutionGeometry g, float* image, float* field, ReadOnlySpan<int> starts,
        float* gradient)
    {
        var sums = new float[starts.Length - 1];
        for (int o = 0; o < g.FieldChannels; o++)
        {
            foreach ((int tap, int c) in Elements(g, g.ImageGroup))
            {
                for (int m = 0; m < sums.Length; m++)
                {
                    float sum = 0;
                    for (int row = starts[m]; row < starts[m + 1]; row++)
                    {
                        for (int p = 0; p < g.Positions; p++)
                        {
                            float x = Pixel(
                                g, image, row, p, tap, o / g.FieldGroup * g.ImageGroup + c);
                            float error =
                                field[((nint)row * g.Positions + p) * g.FieldChannels + o];
                            sum = MathF.FusedMultiplyAdd(x, error, sum);
                        }
                    }

                    sums[m] = sum;
                }

                gradient[IndexOf(g, tap, c, o)] = Fold(sums);
            }
        }
    }

    private static IEnumerable<(int Tap, int Channel)> Elements(
        ConvolutionGeometry g, int channels) =>
        from tap in Enumerable.Range(0, g.Taps)
        from channel in Enumerable.Range(0, channels)
        select (tap, channel);

    private static int IndexOf(ConvolutionGeometry g, int tap, int c, int o) =>
        tap * g.Weights.Tap + c * g.Weights.Image + o % g.FieldGroup * g.Weights.Field
        + o / g.FieldGroup * g.Weights.Group;

    private static float Pixel(
        ConvolutionGeometry g, float* image, int row, int position, int tap, int channel)
    {
        int y = g.Rows.At(position / g.Columns.Field, tap / g.Columns.Kernel);
        int x = g.Columns.At(position % g.Columns.Field, tap % g.Columns.Kernel);
        return y < 0 || y >= g.Rows.Image || x < 0 || x >= g.Columns.Image
            ? 0f
            : image[((nint)row * g.Pixels + y * g.Columns.Image + x) * g.ImageChannels + channel];
    }

    // The window from which a tap sees a pixel; null where it sees none from any.
    private static int? Window(in WindowAxis axis, int pixel, int tap)
    {
        int from = pixel + axis.Before - tap * axis.Dilation;
        return from % axis.Stride == 0 ? from / axis.Stride : null;
    }

    private static float Fold(float[] values)
    {
        for (int width = 1; width < values.Length; width *= 2)
        {
            for (int left = 0; left + width < values.Length; left += 2 * width)
            {
                values[left] += values[left + width];
            }
        }

        return values[0];
    }
}
