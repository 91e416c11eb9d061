using System.Runtime.CompilerServices;
using Backprop.Engine.Gradients;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>A convolution in either direction in which every channel is a group of its own: lanes
/// run over channels. Weights are [taps, channels].</summary>
internal readonly unsafe struct DepthwiseProduct(
    ConvolutionGeometry geometry, bool isBackward, LayerScratch scratch, float* weights,
    float* bias, float* source, int rows, float* output) : IVectorWork
{
    private readonly GatherAxis _rowAxis = new(geometry.Rows, isBackward);
    private readonly GatherAxis _columnAxis = new(geometry.Columns, isBackward);
    private readonly PaddedImage _sourceImage =
        isBackward ? geometry.PaddedField : geometry.PaddedImage;

    private readonly float* _weights = weights;
    private readonly float* _bias = bias;
    private readonly float* _source = source;
    private readonly float* _output = output;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* padded = scratch.OfPart(part);
        _sourceImage.Clear(padded);
        nint outputFloats = (nint)_rowAxis.Output * _columnAxis.Output * geometry.Groups;
        int end = ComputePool.PartStart(rows, part + 1, parts);
        for (int row = ComputePool.PartStart(rows, part, parts); row < end; row++)
        {
            float* image = _sourceImage.Place(
                _source + (nint)row * _sourceImage.Floats, padded);
            for (int y = 0; y < _rowAxis.Phases; y++)
            {
                for (int x = 0; x < _columnAxis.Phases; x++)
                {
                    RunPhase<TVector, TSimd>(
                        _rowAxis.Phase(y), _columnAxis.Phase(x), image,
                        _output + row * outputFloats);
                }
            }
        }
    }

    private void RunPhase<TVector, TSimd>(
        in GatherPhase rowPhase, in GatherPhase columnPhase, float* image, float* output)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int channels = geometry.Groups;
        for (int y = 0; y < rowPhase.Count; y++)
        {
            for (int x = 0; x < columnPhase.Count; x++)
            {
                float* from = image
                    + (nint)(rowPhase.Source + y * rowPhase.SourcePerOutput)
                        * _sourceImage.RowFloats
                    + (nint)(columnPhase.Source + x * columnPhase.SourcePerOutput) * channels;
                nint pixel = (nint)(rowPhase.Start + y * rowPhase.OutputStep)
                    * _columnAxis.Output + columnPhase.Start + x * columnPhase.OutputStep;
                Pixel<TVector, TSimd>(
                    rowPhase, columnPhase, from, output + pixel * channels);
            }
        }
    }

    // Two chains at once; what is left over of the channels, by itself.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Pixel<TVector, TSimd>(
        in GatherPhase rowPhase, in GatherPhase columnPhase, float* from, float* to)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int channels = geometry.Groups;
        for (int c = 0; c < channels; c += 2 * TSimd.Lanes)
        {
            int first = channels - c, second = Math.Max(0, first - TSimd.Lanes);
            TVector sum0 = TSimd.Zero, sum1 = TSimd.Zero;
            for (int i = 0; i < rowPhase.Taps; i++)
            {
                float* a = from + c
                    + (nint)i * rowPhase.SourcePerTap * _sourceImage.RowFloats;
                int tap = (rowPhase.FirstTap + i * rowPhase.TapStep) * geometry.Columns.Kernel
                    + columnPhase.FirstTap;
                float* w = _weights + (nint)tap * channels + c;
                for (int j = 0; j < columnPhase.Taps; j++)
                {
                    sum0 = TSimd.FusedMultiplyAdd(
                        TSimd.LoadUpTo(a, first), TSimd.LoadUpTo(w, first), sum0);
                    sum1 = TSimd.FusedMultiplyAdd(
                        TSimd.LoadUpTo(a + TSimd.Lanes, second),
                        TSimd.LoadUpTo(w + TSimd.Lanes, second), sum1);
                    a += (nint)columnPhase.SourcePerTap * channels;
                    w += (nint)columnPhase.TapStep * channels;
                }
            }

            if (_bias is not null)
            {
                sum0 = TSimd.Add(sum0, TSimd.LoadUpTo(_bias + c, first));
                sum1 = TSimd.Add(sum1, TSimd.LoadUpTo(_bias + c + TSimd.Lanes, second));
            }

            TSimd.StoreUpTo(sum0, first, to + c);
            TSimd.StoreUpTo(sum1, second, to + c + TSimd.Lanes);
        }
    }
}

/// <summary>The weight gradient of a convolution in which every channel is a group of its own.
/// Threads share the channels. Sums are folded as <see cref="ConvolutionWeightSum"/> folds them.
/// </summary>
internal readonly unsafe struct DepthwiseWeightSum(
    ConvolutionGeometry geometry, LayerScratch scratch, float* image, float* field, int* starts,
    int microBatches, float* gradient) : IVectorWork
{
    private const int ChannelGrain = 16;

    private readonly PaddedImage _paddedImage = geometry.PaddedImage;
    private readonly float* _sums = scratch.Shared;
    private readonly float* _image = image;
    private readonly float* _field = field;
    private readonly int* _starts = starts;
    private readonly float* _gradient = gradient;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int channels = geometry.Groups;
        int first = ComputePool.PartStart(channels, part, parts, ChannelGrain);
        int end = ComputePool.PartStart(channels, part + 1, parts, ChannelGrain);
        if (first == end)
        {
            return;
        }

        float* padded = scratch.OfPart(part);
        _paddedImage.Clear(padded);
        int open = 0;
        for (int m = 0; m < microBatches; m++)
        {
            float* sums = SumsAt(open++);
            for (int tap = 0; tap < geometry.Taps; tap++)
            {
                new Span<float>(sums + (nint)tap * channels + first, end - first).Clear();
            }

            for (int row = _starts[m]; row < _starts[m + 1]; row++)
            {
                float* pixels = _paddedImage.Place(
                    _image + (nint)row * _paddedImage.Floats, padded);
                float* errors = _field + (nint)row * geometry.Positions * channels;
                for (int c = first; c < end; c += TSimd.Lanes)
                {
                    AddRow<TVector, TSimd>(pixels + c, errors + c, end - c, sums + c);
                }
            }

            for (int left = TreeFold.AdditionsAfter(m, microBatches); left > 0; left--)
            {
                open--;
                Fold(SumsAt(open - 1), SumsAt(open), first, end);
            }
        }

        for (int tap = 0; tap < geometry.Taps; tap++)
        {
            nint at = (nint)tap * channels + first;
            new Span<float>(SumsAt(0) + at, end - first).CopyTo(
                new Span<float>(_gradient + at, end - first));
        }
    }

    private float* SumsAt(int number) => _sums + number * (nint)geometry.WeightSumFloats;

    private void Fold(float* left, float* right, int first, int end)
    {
        for (int tap = 0; tap < geometry.Taps; tap++)
        {
            nint at = (nint)tap * geometry.Groups + first;
            Elementwise.Map(
                default(Layers.Sum), left + at, right + at, end - first, left + at);
        }
    }

    private void AddRow<TVector, TSimd>(float* pixels, float* errors, int left, float* sums)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int y = 0; y < geometry.Rows.Kernel; y++)
        {
            for (int x = 0; x < geometry.Columns.Kernel; x++)
            {
                float* from = pixels
                    + (nint)y * geometry.Rows.Dilation * _paddedImage.RowFloats
                    + (nint)x * geometry.Columns.Dilation * geometry.Groups;
                AddTap<TVector, TSimd>(from, errors, left, sums);
                sums += geometry.Groups;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void AddTap<TVector, TSimd>(float* from, float* errors, int left, float* sums)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int channels = geometry.Groups;
        nint step = (nint)geometry.Columns.Stride * channels;
        TVector sum = TSimd.LoadUpTo(sums, left);
        for (int y = 0; y < geometry.Rows.Field; y++)
        {
            float* pixel = from + (nint)y * geometry.Rows.Stride * _paddedImage.RowFloats;
            for (int x = 0; x < geometry.Columns.Field; x++)
            {
                sum = TSimd.FusedMultiplyAdd(
                    TSimd.LoadUpTo(pixel, left), TSimd.LoadUpTo(errors, left), sum);
                pixel += step;
                errors += channels;
            }
        }

        TSimd.StoreUpTo(sum, left, sums);
    }
}
