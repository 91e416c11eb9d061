using System.Runtime.CompilerServices;
using Backprop.Engine.Gradients;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>
/// The weight gradient of a convolution: a tile's rows are elements of the window, its steps the
/// positions of the field. Sums lie as tiles, panel by panel, and are taken up again with every
/// row of the batch, so that an image is padded once and read while it is near. Finished
/// micro-batches are folded as a binary counter counts: the sums that are open stand on a stack,
/// and adding the last two of a height makes one of the next. Threads share the weights, so that
/// no chain is cut.
/// </summary>
internal readonly unsafe struct ConvolutionWeightSum : IVectorWork
{
    private const int StepsAhead = 8;

    private readonly ConvolutionGeometry _geometry;
    private readonly PaddedImage _paddedImage;
    private readonly WindowRuns _runs;
    private readonly LayerScratch _scratch;
    private readonly int* _table;
    private readonly float* _sums;
    private readonly float* _image;
    private readonly float* _field;
    private readonly int* _starts;
    private readonly int _microBatches;
    private readonly float* _gradient;

    public ConvolutionWeightSum(
        ConvolutionGeometry geometry, in LayerScratch scratch, float* image, float* field,
        int* starts, int microBatches, float* gradient)
    {
        _geometry = geometry;
        _paddedImage = geometry.PaddedImage;
        _runs = WindowRuns.Of(geometry, _paddedImage);
        _scratch = scratch;
        _table = (int*)scratch.Shared;
        _sums = scratch.Shared + ConvolutionGeometry.RoundUp(BlockWidth * (long)BlockHeight);
        _image = image;
        _field = field;
        _starts = starts;
        _microBatches = microBatches;
        _gradient = gradient;
    }

    // Positions are taken in blocks: of whole rows where one is short, else of parts of a row.
    private int BlockWidth => Math.Min(
        _geometry.Columns.Field, ConvolutionGeometry.BlockPositions);

    private int BlockHeight =>
        Math.Clamp(ConvolutionGeometry.BlockPositions / BlockWidth, 1, _geometry.Rows.Field);

    /// <summary>Writes where the positions of a block lie.</summary>
    public void FillTable()
    {
        int* at = _table;
        for (int y = 0; y < BlockHeight; y++)
        {
            for (int x = 0; x < BlockWidth; x++)
            {
                *at++ = y * _geometry.Rows.Stride * _paddedImage.RowFloats
                    + x * _geometry.Columns.Stride * _paddedImage.Channels;
            }
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        var units = new WeightUnits<TVector, TSimd>(_geometry, _runs);
        int first = ComputePool.PartStart(units.Count, part, parts);
        int end = ComputePool.PartStart(units.Count, part + 1, parts);
        if (first == end)
        {
            return;
        }

        nint begin = units[first].SumOffset;
        nint length = units[end - 1].SumOffset + units[end - 1].Floats - begin;
        float* scratch = _scratch.OfPart(part);
        _paddedImage.Clear(scratch);
        int open = 0;
        for (int m = 0; m < _microBatches; m++)
        {
            float* sums = SumsAt(open++);
            new Span<float>(sums + begin, (int)length).Clear();
            for (int row = _starts[m]; row < _starts[m + 1]; row++)
            {
                float* image = _paddedImage.Place(
                    _image + (nint)row * _paddedImage.Floats, scratch);
                AddRow(units, first, end, image, row, sums);
            }

            for (int left = TreeFold.AdditionsAfter(m, _microBatches); left > 0; left--)
            {
                open--;
                Add<TVector, TSimd>(SumsAt(open - 1) + begin, SumsAt(open) + begin, length);
            }
        }

        for (int unit = first; unit < end; unit++)
        {
            PutDown(units[unit], SumsAt(0));
        }
    }

    private float* SumsAt(int number) => _sums + number * (nint)_geometry.WeightSumFloats;

    // Adds one row's positions to the sums of the units, block by block.
    private void AddRow<TVector, TSimd>(
        in WeightUnits<TVector, TSimd> units, int first, int end, float* image, int row,
        float* sums)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int fieldHeight = _geometry.Rows.Field, fieldWidth = _geometry.Columns.Field;
        int channels = _geometry.FieldChannels;
        float* field = _field + (nint)row * _geometry.Positions * channels;
        for (int y = 0; y < fieldHeight; y += BlockHeight)
        {
            int height = Math.Min(BlockHeight, fieldHeight - y);
            for (int x = 0; x < fieldWidth; x += BlockWidth)
            {
                // A block of several rows is as wide as the field: positions are adjacent.
                int width = Math.Min(BlockWidth, fieldWidth - x);
                float* pixels = image
                    + (nint)y * _geometry.Rows.Stride * _paddedImage.RowFloats
                    + (nint)x * _geometry.Columns.Stride * _paddedImage.Channels;
                var tile = new GatheredTile
                {
                    Steps = (nint)height * width,
                    Offsets = _table,
                    ARowBytes = _runs.ElementFloats * sizeof(float),
                    AGroupBytes = _runs.ThreeFloats * sizeof(float),
                    BStride = channels,
                    BPrefetch = StepsAhead * channels,
                    Resume = true,
                };
                float* errors = field + ((nint)y * fieldWidth + x) * channels;
                for (int index = first; index < end; index++)
                {
                    WeightUnit unit = units[index];
                    tile.A = pixels + unit.ImageOffset;
                    tile.B = errors + unit.FieldChannel;
                    tile.Output = sums + unit.SumOffset;
                    tile.OutputStride = unit.Width;
                    MicroKernels<TVector, TSimd>.RunGathered(
                        unit.Elements, unit.Width / TSimd.Lanes, &tile);
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add<TVector, TSimd>(float* sums, float* right, nint length)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        // Units are of whole vectors.
        for (nint i = 0; i < length; i += TSimd.Lanes)
        {
            TSimd.Store(TSimd.Add(TSimd.Load(sums + i), TSimd.Load(right + i)), sums + i);
        }
    }

    private void PutDown(in WeightUnit unit, float* sums)
    {
        WeightStrides strides = _geometry.Weights;
        float* from = sums + unit.SumOffset;
        for (int i = 0; i < unit.Elements; i++)
        {
            int element = unit.FirstElement + i;
            float* to = _gradient + (nint)unit.Group * strides.Group
                + (nint)(element / _geometry.ImageGroup) * strides.Tap
                + (nint)(element % _geometry.ImageGroup) * strides.Image
                + (nint)unit.GroupChannel * strides.Field;
            for (int o = 0; o < unit.Channels; o++)
            {
                to[(nint)o * strides.Field] = from[o];
            }

            from += unit.Width;
        }
    }
}
