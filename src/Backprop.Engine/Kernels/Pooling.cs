using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>The sizes of pooling: windows over images [height, width, channels], every channel by
/// itself.</summary>
/// <param name="Rows">The windows from top to bottom.</param>
/// <param name="Columns">The windows from left to right.</param>
/// <param name="Channels">Values of a pixel, and of a position of the output.</param>
internal sealed record PoolingGeometry(WindowAxis Rows, WindowAxis Columns, int Channels)
{
    /// <summary>Floats of an image.</summary>
    public int ImageFloats => Rows.Image * Columns.Image * Channels;

    /// <summary>Floats of an output.</summary>
    public int OutputFloats => Rows.Field * Columns.Field * Channels;

    /// <summary>Where the pixel of a tap begins in the image.</summary>
    public nint PixelAt(int y, int tapY, int x, int tapX) =>
        ((nint)Rows.At(y, tapY) * Columns.Image + Columns.At(x, tapX)) * Channels;
}

/// <summary>What a position sees of an image: the taps of its window that lie in it.</summary>
internal readonly unsafe struct PoolingWindow
{
    public PoolingWindow(PoolingGeometry g, int y, int x, float* image)
    {
        (FirstY, EndY) = (g.Rows.FirstTap(y), g.Rows.EndTap(y));
        (FirstX, EndX) = (g.Columns.FirstTap(x), g.Columns.EndTap(x));
        Corner = image + g.PixelAt(y, FirstY, x, FirstX);
        RowStep = (nint)g.Rows.Dilation * g.Columns.Image * g.Channels;
        TapStep = (nint)g.Columns.Dilation * g.Channels;
    }

    /// <summary>The first tap from above.</summary>
    public readonly int FirstY;

    /// <summary>One past the last from above.</summary>
    public readonly int EndY;

    /// <summary>The first tap from the left.</summary>
    public readonly int FirstX;

    /// <summary>One past the last from the left.</summary>
    public readonly int EndX;

    /// <summary>The first tap's pixel.</summary>
    public readonly float* Corner;

    /// <summary>Floats from a tap's pixel to that of the tap below.</summary>
    public readonly nint RowStep;

    /// <summary>Floats from a tap's pixel to that of the next.</summary>
    public readonly nint TapStep;

    /// <summary>Taps.</summary>
    public long Taps => (long)(EndY - FirstY) * (EndX - FirstX);
}

/// <summary>Pooling in one direction: what is done at one position of the output, to all channels.
/// Taps outside the image are not there.</summary>
internal unsafe interface IPoolingKernel
{
    /// <summary>Does position (<paramref name="y"/>, <paramref name="x"/>).</summary>
    /// <param name="g">The sizes.</param>
    /// <param name="y">The position's row.</param>
    /// <param name="x">The position in its row.</param>
    /// <param name="image">The image, or its gradient.</param>
    /// <param name="output">[channels]: the position's output, or its gradient.</param>
    /// <param name="saved">[channels]: what forward leaves for backward.</param>
    static abstract void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>Pools the rows of a batch; threads share them.</summary>
/// <param name="geometry">The sizes.</param>
/// <param name="rows">Rows.</param>
/// <param name="image">[rows, pixels, channels].</param>
/// <param name="output">[rows, positions, channels].</param>
/// <param name="saved">[rows, positions, channels]; may be null where the kernel needs none.
/// </param>
/// <param name="clears">Whether the image is zeroed first: backward.</param>
internal readonly unsafe struct PoolingWork<TKernel>(
    PoolingGeometry geometry, int rows, float* image, float* output, float* saved, bool clears)
    : IVectorWork
    where TKernel : struct, IPoolingKernel
{
    private readonly float* _image = image;
    private readonly float* _output = output;
    private readonly float* _saved = saved;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int end = ComputePool.PartStart(rows, part + 1, parts);
        for (int row = ComputePool.PartStart(rows, part, parts); row < end; row++)
        {
            float* image = _image + (nint)row * geometry.ImageFloats;
            nint at = (nint)row * geometry.OutputFloats;
            if (clears)
            {
                new Span<float>(image, geometry.ImageFloats).Clear();
            }

            for (int y = 0; y < geometry.Rows.Field; y++)
            {
                for (int x = 0; x < geometry.Columns.Field; x++)
                {
                    TKernel.Run<TVector, TSimd>(
                        geometry, y, x, image, _output + at,
                        _saved is null ? null : _saved + at);
                    at += geometry.Channels;
                }
            }
        }
    }
}

/// <summary>The largest value of a window, and which tap it is of: of several the first in the
/// order (kh, kw). A NaN is larger than everything else, since it must be seen.</summary>
internal readonly unsafe struct MaxPooling : IPoolingKernel
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        var window = new PoolingWindow(g, y, x, image);
        int channels = g.Channels, width = g.Columns.Kernel;
        for (int c = 0; c < channels; c += TSimd.Lanes)
        {
            int present = channels - c;
            TVector best = TSimd.LoadUpTo(window.Corner + c, present);
            TVector bestTap = TSimd.Create(window.FirstY * width + window.FirstX);
            float* row = window.Corner + c;
            for (int tapY = window.FirstY; tapY < window.EndY; tapY++, row += window.RowStep)
            {
                float* pixel = row;
                for (int tapX = window.FirstX; tapX < window.EndX; tapX++, pixel += window.TapStep)
                {
                    TVector value = TSimd.LoadUpTo(pixel, present);
                    TVector tap = TSimd.Create(tapY * width + tapX);
                    bestTap = TSimd.SelectLess(best, value, tap, bestTap);
                    best = TSimd.SelectLess(best, value, value, best);
                    bestTap = TSimd.SelectEqual(value, value, bestTap, tap);
                    best = TSimd.SelectEqual(value, value, best, value);
                }
            }

            TSimd.StoreUpTo(best, present, output + c);
            TSimd.StoreUpTo(bestTap, present, saved + c);
        }
    }
}

/// <summary>Adds the gradient of a maximum to that of the pixel which it is: where windows overlap
/// a pixel's sum runs over its windows in order.</summary>
internal readonly unsafe struct MaxPoolingBackward : IPoolingKernel
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        var window = new PoolingWindow(g, y, x, image);
        int channels = g.Channels, width = g.Columns.Kernel;
        for (int c = 0; c < channels; c += TSimd.Lanes)
        {
            int present = channels - c;
            TVector gradient = TSimd.LoadUpTo(output + c, present);
            TVector bestTap = TSimd.LoadUpTo(saved + c, present);
            float* row = window.Corner + c;
            for (int tapY = window.FirstY; tapY < window.EndY; tapY++, row += window.RowStep)
            {
                float* pixel = row;
                for (int tapX = window.FirstX; tapX < window.EndX; tapX++, pixel += window.TapStep)
                {
                    TVector mine = TSimd.SelectEqual(
                        bestTap, TSimd.Create(tapY * width + tapX), gradient, TSimd.Zero);
                    TSimd.StoreUpTo(
                        TSimd.Add(TSimd.LoadUpTo(pixel, present), mine), present, pixel);
                }
            }
        }
    }
}

/// <summary>The mean of a window's pixels, those outside the image left out: their sum in the order
/// (kh, kw), divided by their number.</summary>
internal readonly unsafe struct AveragePooling : IPoolingKernel
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        var window = new PoolingWindow(g, y, x, image);
        int channels = g.Channels;
        TVector count = TSimd.Create((float)window.Taps);
        for (int c = 0; c < channels; c += TSimd.Lanes)
        {
            int present = channels - c;
            TVector sum = TSimd.Zero;
            float* row = window.Corner + c;
            for (int tapY = window.FirstY; tapY < window.EndY; tapY++, row += window.RowStep)
            {
                float* pixel = row;
                for (int tapX = window.FirstX; tapX < window.EndX; tapX++, pixel += window.TapStep)
                {
                    sum = TSimd.Add(sum, TSimd.LoadUpTo(pixel, present));
                }
            }

            TSimd.StoreUpTo(TSimd.Divide(sum, count), present, output + c);
        }
    }
}

/// <summary>Adds an equal share of a mean's gradient to that of every pixel of its window; a
/// pixel's sum runs over its windows in order.</summary>
internal readonly unsafe struct AveragePoolingBackward : IPoolingKernel
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        var window = new PoolingWindow(g, y, x, image);
        int channels = g.Channels;
        TVector count = TSimd.Create((float)window.Taps);
        for (int c = 0; c < channels; c += TSimd.Lanes)
        {
            int present = channels - c;
            TVector share = TSimd.Divide(TSimd.LoadUpTo(output + c, present), count);
            float* row = window.Corner + c;
            for (int tapY = window.FirstY; tapY < window.EndY; tapY++, row += window.RowStep)
            {
                float* pixel = row;
                for (int tapX = window.FirstX; tapX < window.EndX; tapX++, pixel += window.TapStep)
                {
                    TSimd.StoreUpTo(
                        TSimd.Add(TSimd.LoadUpTo(pixel, present), share), present, pixel);
                }
            }
        }
    }
}

/// <summary>Writes a position's value to every pixel of its window: upsampling.</summary>
internal readonly unsafe struct Spreading : IPoolingKernel
{
    /// <inheritdoc/>
    public static void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        long bytes = (long)g.Channels * sizeof(float);
        for (int tapY = 0; tapY < g.Rows.Kernel; tapY++)
        {
            for (int tapX = 0; tapX < g.Columns.Kernel; tapX++)
            {
                Buffer.MemoryCopy(output, image + g.PixelAt(y, tapY, x, tapX), bytes, bytes);
            }
        }
    }
}

/// <summary>The sum of a window's pixels in the order (kh, kw): upsampling, backward.</summary>
internal readonly unsafe struct Gathering : IPoolingKernel
{
    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run<TVector, TSimd>(
        PoolingGeometry g, int y, int x, float* image, float* output, float* saved)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int c = 0; c < g.Channels; c += TSimd.Lanes)
        {
            int present = g.Channels - c;
            TVector sum = TSimd.Zero;
            for (int tapY = 0; tapY < g.Rows.Kernel; tapY++)
            {
                for (int tapX = 0; tapX < g.Columns.Kernel; tapX++)
                {
                    sum = TSimd.Add(
                        sum, TSimd.LoadUpTo(image + g.PixelAt(y, tapY, x, tapX) + c, present));
                }
            }

            TSimd.StoreUpTo(sum, present, output + c);
        }
    }
}
