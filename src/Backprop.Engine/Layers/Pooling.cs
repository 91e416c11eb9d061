using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>What pooling makes of a window.</summary>
public enum PoolingRule
{
    /// <summary>Its largest value.</summary>
    Max,

    /// <summary>Its mean.</summary>
    Average,
}

/// <summary>Pooling: windows slide over images or sequences, and one value is made of each, channel
/// by channel.</summary>
/// <param name="Dimensions">2: images, HxW (one channel) or HxWxC; 1: sequences, LxC.</param>
/// <param name="Rule">What is made of a window.</param>
/// <param name="Size">Pixels of a window; of height 1 for sequences.</param>
public sealed record PoolingDefinition(int Dimensions, PoolingRule Rule, Extent Size)
    : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => $"{WordOf(Rule)}-pooling-{Dimensions}d";

    /// <summary>From a window to the next; null: windows stand side by side.</summary>
    public Extent? Stride { get; init; }

    /// <summary>Pixels around the image that are in no window: a maximum and a mean are taken of
    /// what is there.</summary>
    public Padding Padding { get; init; } = Padding.Valid;

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        string layer = $"pooling '{name}'";
        ImageSize size = ImageSize.Of(input, Dimensions, layer);
        (WindowAxis rows, WindowAxis columns) =
            new WindowOptions(Size, Stride ?? Size, new Extent(1, 1), Padding)
                .Over(size.Height, size.Width, layer);
        var output = new ImageSize(rows.Field, columns.Field, size.Channels);
        return new PoolingLayer(
            name, Kind, input, output.ToShape(Dimensions, layer), Rule,
            new PoolingGeometry(rows, columns, size.Channels));
    }

    internal static string WordOf(PoolingRule rule) =>
        rule == PoolingRule.Max ? "max" : "average";
}

/// <summary>Pooling of whole images or sequences: one value for each channel, which is the last
/// dimension.</summary>
/// <param name="Rule">What is made of a channel.</param>
public sealed record GlobalPoolingDefinition(PoolingRule Rule) : LayerDefinition
{
    /// <inheritdoc/>
    public override string Kind => $"global-{PoolingDefinition.WordOf(Rule)}-pooling";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        if (input.Dimensions.Length < 2)
        {
            throw new ArgumentException(
                $"pooling '{name}' takes one value of every channel, the last of several "
                + $"dimensions, but its input is of shape {input}");
        }

        int channels = input.Dimensions[^1], pixels = input.Count / channels;
        var rows = new WindowAxis(1, 1, 1, 1, 0, 0);
        var columns = new WindowAxis(pixels, pixels, 1, 1, 0, 0);
        return new PoolingLayer(
            name, Kind, input, Shape.Of(channels), Rule,
            new PoolingGeometry(rows, columns, channels));
    }
}

/// <summary>
/// y[p, c] = max, or mean, of x[q, c] over the pixels q of window p that are in the image. dE/dx of
/// a pixel is the sum, over the windows that it is in, of dE/dy where it is the maximum (the first
/// of several equal ones), or of dE/dy divided by the window's pixels.
/// </summary>
public sealed unsafe class PoolingLayer : Layer
{
    private readonly PoolingRule _rule;
    private readonly PoolingGeometry _geometry;

    internal PoolingLayer(
        string name, string kind, Shape input, Shape output, PoolingRule rule,
        PoolingGeometry geometry)
        : base(name, kind, input, output)
    {
        // Which tap is the maximum is kept as a float.
        const int MaxTaps = 1 << 24;
        if ((long)geometry.Rows.Kernel * geometry.Columns.Kernel > MaxTaps)
        {
            throw new ArgumentException(
                $"pooling '{name}' has windows of {geometry.Rows.Kernel:N0}x"
                + $"{geometry.Columns.Kernel:N0} pixels; {MaxTaps:N0} are the most");
        }

        _rule = rule;
        _geometry = geometry;
    }

    /// <summary>Padding above and to the left of the image.
    /// </summary>
    public Extent PaddingBefore => new(_geometry.Rows.Before, _geometry.Columns.Before);

    /// <summary>Padding below and to the right of it.</summary>
    public Extent PaddingAfter => new(_geometry.Rows.After, _geometry.Columns.After);

    /// <summary>Which tap of its window each maximum is.</summary>
    /// <inheritdoc/>
    public override int SavedPerRow => _rule == PoolingRule.Max ? OutputShape.Count : 0;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass)
    {
        if (_rule == PoolingRule.Max)
        {
            Run<MaxPooling>(pass.Pool, pass.Rows, pass.Input, pass.Output, pass.Saved, false);
        }
        else
        {
            Run<AveragePooling>(pass.Pool, pass.Rows, pass.Input, pass.Output, null, false);
        }
    }

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is null)
        {
            return;
        }

        ForwardPass forward = pass.Forward;
        if (_rule == PoolingRule.Max)
        {
            Run<MaxPoolingBackward>(
                forward.Pool, forward.Rows, pass.InputGradient, pass.OutputGradient,
                forward.Saved, true);
        }
        else
        {
            Run<AveragePoolingBackward>(
                forward.Pool, forward.Rows, pass.InputGradient, pass.OutputGradient, null, true);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        (WindowAxis rows, WindowAxis columns) = (_geometry.Rows, _geometry.Columns);
        for (int i = 0; i < pass.Rows * OutputShape.Count; i++)
        {
            int position = i / _geometry.Channels % (rows.Field * columns.Field);
            (int y, int x) = int.DivRem(position, columns.Field);
            ReadOnlySpan<double> image = pass.Input.Slice(
                i / OutputShape.Count * InputShape.Count, InputShape.Count);
            double max = double.NegativeInfinity, sum = 0;
            int count = 0;
            for (int tapY = rows.FirstTap(y); tapY < rows.EndTap(y); tapY++)
            {
                for (int tapX = columns.FirstTap(x); tapX < columns.EndTap(x); tapX++)
                {
                    int pixel = (int)_geometry.PixelAt(y, tapY, x, tapX);
                    double value = image[pixel + i % _geometry.Channels];
                    max = Math.Max(max, value);
                    sum += value;
                    count++;
                }
            }

            pass.Output[i] = _rule == PoolingRule.Max ? max : sum / count;
        }
    }

    private void Run<TKernel>(
        ComputePool pool, int rows, float* image, float* output, float* saved, bool clears)
        where TKernel : struct, IPoolingKernel
    {
        // Comparing and storing a value takes about as long as multiplying sixteen.
        const long Weight = 16;
        var work = new PoolingWork<TKernel>(_geometry, rows, image, output, saved, clears);
        long elements = (long)rows * Math.Max(_geometry.ImageFloats, _geometry.OutputFloats);
        new VectorWork<PoolingWork<TKernel>>(SimdWidths.Best, work)
            .RunOn(pool, Weight * elements);
    }
}
