using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>What stands between the pixels of an image that is made larger.</summary>
public enum Interpolation
{
    /// <summary>The nearest pixel again.</summary>
    Nearest,

    /// <summary>What lies on the line between the two nearest ones, in each direction; the borders
    /// of both images are the same, as with PyTorch's <c>align_corners = False</c>.</summary>
    Linear,

    /// <summary>The same, but the middles of the pixels in the corners of both images are the same:
    /// <c>align_corners = True</c>.</summary>
    LinearCorners,
}

/// <summary>Makes images or sequences larger.</summary>
/// <param name="Dimensions">2: images, HxW (one channel) or HxWxC; 1: sequences, LxC.</param>
/// <param name="Factor">How often each pixel stands in each direction; of height 1 for sequences.
/// </param>
public sealed record UpsamplingDefinition(int Dimensions, Extent Factor) : LayerDefinition
{
    /// <summary>What stands between the pixels.</summary>
    public Interpolation Interpolation { get; init; }

    /// <inheritdoc/>
    public override string Kind => $"upsampling-{Dimensions}d";

    /// <inheritdoc/>
    public override Layer Build(string name, Shape input)
    {
        string layer = $"upsampling '{name}'";
        ImageSize size = ImageSize.Of(input, Dimensions, layer);
        if (Factor.Height < 1 || Factor.Width < 1
            || (long)size.Height * Factor.Height > Shape.MaxCount
            || (long)size.Width * Factor.Width > Shape.MaxCount)
        {
            throw new ArgumentException(
                $"{layer} makes images of {size.Height}x{size.Width} larger by {Factor}; a factor "
                + $"is at least 1, and {Shape.MaxCount:N0} rows or columns are the most");
        }

        var output = new ImageSize(
            size.Height * Factor.Height, size.Width * Factor.Width, size.Channels);
        Shape shape = output.ToShape(Dimensions, layer);
        if (Interpolation != Interpolation.Nearest)
        {
            bool alignsCorners = Interpolation == Interpolation.LinearCorners;
            return new LinearUpsamplingLayer(
                name, Kind, input, shape,
                new InterpolationAxis(size.Height, Factor.Height, alignsCorners),
                new InterpolationAxis(size.Width, Factor.Width, alignsCorners), size.Channels);
        }

        return new UpsamplingLayer(
            name, Kind, input, shape,
            new PoolingGeometry(
                new WindowAxis(output.Height, Factor.Height, Factor.Height, 1, 0, 0),
                new WindowAxis(output.Width, Factor.Width, Factor.Width, 1, 0, 0),
                size.Channels));
    }
}

/// <summary>y[p, c] = x[p / factor, c]: the nearest pixel. dE/dx is the sum of dE/dy over the
/// pixels that repeat it, in order.</summary>
public sealed unsafe class UpsamplingLayer : Layer
{
    private readonly PoolingGeometry _geometry;

    internal UpsamplingLayer(
        string name, string kind, Shape input, Shape output, PoolingGeometry geometry)
        : base(name, kind, input, output) => _geometry = geometry;

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) =>
        Run<Spreading>(pass.Pool, pass.Rows, pass.Output, pass.Input);

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is not null)
        {
            Run<Gathering>(
                pass.Forward.Pool, pass.Forward.Rows, pass.OutputGradient, pass.InputGradient);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        int channels = _geometry.Channels, width = _geometry.Columns.Image;
        for (int i = 0; i < pass.Rows * OutputShape.Count; i++)
        {
            (int row, int element) = int.DivRem(i, OutputShape.Count);
            int y = element / channels / width / _geometry.Rows.Kernel;
            int x = element / channels % width / _geometry.Columns.Kernel;
            int pixel = y * _geometry.Columns.Field + x;
            pass.Output[i] = pass.Input[
                row * InputShape.Count + pixel * channels + element % channels];
        }
    }

    private void Run<TKernel>(ComputePool pool, int rows, float* large, float* small)
        where TKernel : struct, IPoolingKernel
    {
        // Moving a value takes about as long as multiplying eight.
        const long Weight = 8;
        var work = new PoolingWork<TKernel>(_geometry, rows, large, small, null, clears: false);
        new VectorWork<PoolingWork<TKernel>>(SimdWidths.Best, work)
            .RunOn(pool, Weight * rows * OutputShape.Count);
    }
}

/// <summary>y[p, c] = the mean of the four pixels x[., c] around p, each by how near it is:
/// bilinear interpolation; of a sequence two. dE/dx is the sum of dE/dy over the pixels that it
/// counts in, by as much, in order. PyTorch's Upsample of mode <c>bilinear</c> or <c>linear</c>.
/// </summary>
public sealed unsafe class LinearUpsamplingLayer : Layer
{
    private readonly InterpolationAxis _down;
    private readonly InterpolationAxis _across;
    private readonly int _channels;

    internal LinearUpsamplingLayer(
        string name, string kind, Shape input, Shape output, InterpolationAxis down,
        InterpolationAxis across, int channels)
        : base(name, kind, input, output) =>
        (_down, _across, _channels) = (down, across, channels);

    /// <inheritdoc/>
    public override void Forward(in ForwardPass pass) =>
        Run(pass.Pool, pass.Rows, pass.Input, pass.Output, isBackward: false);

    /// <inheritdoc/>
    public override void Backward(in BackwardPass pass)
    {
        if (pass.InputGradient is not null)
        {
            Run(
                pass.Forward.Pool, pass.Forward.Rows, pass.InputGradient, pass.OutputGradient,
                isBackward: true);
        }
    }

    /// <inheritdoc/>
    public override void ReferenceForward(in ReferencePass pass)
    {
        for (int i = 0; i < pass.Rows * OutputShape.Count; i++)
        {
            (int row, int element) = int.DivRem(i, OutputShape.Count);
            (int pixel, int channel) = int.DivRem(element, _channels);
            (int y, int x) = int.DivRem(pixel, _across.Large);
            int first = row * InputShape.Count + channel;
            double down = _down.Share(y), across = _across.Share(x);
            int top = _down.Before(y) * _across.Small, bottom = _down.After(y) * _across.Small;
            int left = _across.Before(x), right = _across.After(x);
            double above = (1 - across) * pass.Input[first + (top + left) * _channels]
                + across * pass.Input[first + (top + right) * _channels];
            double below = (1 - across) * pass.Input[first + (bottom + left) * _channels]
                + across * pass.Input[first + (bottom + right) * _channels];
            pass.Output[i] = (1 - down) * above + down * below;
        }
    }

    private void Run(ComputePool pool, int rows, float* small, float* large, bool isBackward)
    {
        // A position takes about as long as multiplying sixteen numbers.
        const long Weight = 16;
        var work = new InterpolationWork(
            _down, _across, _channels, rows, small, large, isBackward);
        new VectorWork<InterpolationWork>(SimdWidths.Best, work)
            .RunOn(pool, Weight * rows * OutputShape.Count);
    }
}
