using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>Makes images or sequences larger by repeating their pixels.</summary>
/// <param name="Dimensions">2: images, HxW (one channel) or HxWxC; 1: sequences, LxC.</param>
/// <param name="Factor">How often each pixel stands in each direction; of height 1 for sequences.
/// </param>
public sealed record UpsamplingDefinition(int Dimensions, Extent Factor) : LayerDefinition
{
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
