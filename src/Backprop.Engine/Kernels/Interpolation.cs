using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>Where the positions of a longer axis lie between those of a shorter one. Places and
/// shares are fractions of whole numbers, so that they are rounded once.</summary>
internal sealed class InterpolationAxis
{
    private readonly int[] _before;
    private readonly double[] _shares;

    /// <summary>An axis that becomes <paramref name="factor"/> times as long.</summary>
    /// <param name="small">Positions of the shorter one.</param>
    /// <param name="factor">How many times.</param>
    /// <param name="alignsCorners">Whether the first and the last positions of both are the same;
    /// else positions are pixels with a width, and the borders of both are the same.</param>
    public InterpolationAxis(int small, int factor, bool alignsCorners)
    {
        Small = small;
        Large = small * factor;
        _before = new int[Large];
        _shares = new double[Large];
        for (long i = 0; i < Large; i++)
        {
            // PyTorch's area_pixel_compute_source_index, over its denominator.
            long at = alignsCorners ? i * (small - 1) : Math.Max((2 * i) + 1 - factor, 0);
            long unit = alignsCorners ? Math.Max(Large - 1, 1) : 2L * factor;
            _before[i] = (int)(at / unit);
            _shares[i] = (double)(at % unit) / unit;
        }
    }

    /// <summary>Positions of the shorter axis.</summary>
    public int Small { get; }

    /// <summary>Positions of the longer axis.</summary>
    public int Large { get; }

    /// <summary>The position of the shorter axis at or before one of the longer.</summary>
    public int Before(int position) => _before[position];

    /// <summary>The one after it; at the end the same.</summary>
    public int After(int position) => Math.Min(_before[position] + 1, Small - 1);

    /// <summary>What the one after it counts, in [0, 1); the one before counts the rest.</summary>
    public double Share(int position) => _shares[position];
}

/// <summary>Interpolates linearly in both directions, the rows of a batch shared by threads; or
/// takes a gradient back, each pixel's sum over the positions that it counts in, in order.
/// </summary>
/// <param name="down">From top to bottom.</param>
/// <param name="across">From left to right.</param>
/// <param name="channels">Values of a pixel.</param>
/// <param name="rows">Rows.</param>
/// <param name="small">[rows, pixels, channels]: the smaller image, or its gradient.</param>
/// <param name="large">[rows, pixels, channels]: the larger image, or its gradient.</param>
/// <param name="isBackward">Whether the smaller one is computed of the larger.</param>
internal readonly unsafe struct InterpolationWork(
    InterpolationAxis down, InterpolationAxis across, int channels, int rows, float* small,
    float* large, bool isBackward) : IVectorWork
{
    private readonly float* _small = small;
    private readonly float* _large = large;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        nint smallFloats = (nint)down.Small * across.Small * channels;
        int end = ComputePool.PartStart(rows, part + 1, parts);
        for (int row = ComputePool.PartStart(rows, part, parts); row < end; row++)
        {
            float* image = _small + row * smallFloats;
            float* output = _large + (nint)row * down.Large * across.Large * channels;
            if (isBackward)
            {
                new Span<float>(image, (int)smallFloats).Clear();
            }

            for (int y = 0; y < down.Large; y++)
            {
                float* top = image + (nint)down.Before(y) * across.Small * channels;
                float* bottom = image + (nint)down.After(y) * across.Small * channels;
                for (int x = 0; x < across.Large; x++, output += channels)
                {
                    Position<TVector, TSimd>(
                        (float)down.Share(y), (float)across.Share(x),
                        (nint)across.Before(x) * channels, (nint)across.After(x) * channels, top,
                        bottom, output);
                }
            }
        }
    }

    private void Position<TVector, TSimd>(
        float shareDown, float shareAcross, nint left, nint right, float* top, float* bottom,
        float* output)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector toTop = TSimd.Create(1 - shareDown), toBottom = TSimd.Create(shareDown);
        TVector toLeft = TSimd.Create(1 - shareAcross), toRight = TSimd.Create(shareAcross);
        for (int c = 0; c < channels; c += TSimd.Lanes)
        {
            int present = channels - c;
            if (isBackward)
            {
                TVector gradient = TSimd.LoadUpTo(output + c, present);
                TVector upper = TSimd.Multiply(gradient, toTop);
                TVector lower = TSimd.Multiply(gradient, toBottom);
                AddTo<TVector, TSimd>(upper, toLeft, present, top + left + c);
                AddTo<TVector, TSimd>(upper, toRight, present, top + right + c);
                AddTo<TVector, TSimd>(lower, toLeft, present, bottom + left + c);
                AddTo<TVector, TSimd>(lower, toRight, present, bottom + right + c);
                continue;
            }

            TVector above = TSimd.FusedMultiplyAdd(
                TSimd.LoadUpTo(top + right + c, present), toRight,
                TSimd.Multiply(TSimd.LoadUpTo(top + left + c, present), toLeft));
            TVector below = TSimd.FusedMultiplyAdd(
                TSimd.LoadUpTo(bottom + right + c, present), toRight,
                TSimd.Multiply(TSimd.LoadUpTo(bottom + left + c, present), toLeft));
            TVector value = TSimd.FusedMultiplyAdd(
                below, toBottom, TSimd.Multiply(above, toTop));
            TSimd.StoreUpTo(value, present, output + c);
        }
    }

    private static void AddTo<TVector, TSimd>(
        TVector gradient, TVector share, int present, float* sum)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.StoreUpTo(
            TSimd.FusedMultiplyAdd(gradient, share, TSimd.LoadUpTo(sum, present)), present, sum);
}
