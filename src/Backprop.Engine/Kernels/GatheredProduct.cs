using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Kernels;

/// <summary>
/// A convolution in either direction as a product that is never laid out: a tile's rows are
/// neighbouring outputs, its steps the elements of a window, read where they lie in the padded
/// source by a table of offsets. Threads share the rows of the batch.
/// </summary>
internal readonly unsafe struct GatheredProduct : IVectorWork
{
    private const int StepsAhead = 8;

    private readonly GatherAxis _rowAxis;
    private readonly GatherAxis _columnAxis;
    private readonly PaddedImage _sourceImage;
    private readonly int _groups;
    private readonly int _groupInputs;
    private readonly int _groupOutputs;
    private readonly LayerScratch _scratch;
    private readonly int* _table;
    private readonly float* _panels;
    private readonly float* _bias;
    private readonly float* _source;
    private readonly int _rows;
    private readonly float* _output;

    public GatheredProduct(
        ConvolutionGeometry geometry, bool isBackward, in LayerScratch scratch, float* bias,
        float* source, int rows, float* output)
    {
        _rowAxis = new GatherAxis(geometry.Rows, isBackward);
        _columnAxis = new GatherAxis(geometry.Columns, isBackward);
        _sourceImage = isBackward ? geometry.PaddedField : geometry.PaddedImage;
        _groups = geometry.Groups;
        _groupInputs = isBackward ? geometry.FieldGroup : geometry.ImageGroup;
        _groupOutputs = isBackward ? geometry.ImageGroup : geometry.FieldGroup;
        _scratch = scratch;
        _table = (int*)scratch.Shared;
        _panels = scratch.Shared
            + ConvolutionGeometry.RoundUp((long)geometry.Taps * _groupInputs);
        _bias = bias;
        _source = source;
        _rows = rows;
        _output = output;
    }

    private int OutputChannels => _groups * _groupOutputs;

    /// <summary>Writes where the steps of each phase lie, phase after phase.</summary>
    public void FillTable()
    {
        int* at = _table;
        for (int phase = 0; phase < _rowAxis.Phases * _columnAxis.Phases; phase++)
        {
            (GatherPhase rows, GatherPhase columns) = PhaseOf(phase);
            for (int tap = 0; tap < rows.Taps * columns.Taps; tap++)
            {
                int y = rows.Source + tap / columns.Taps * rows.SourcePerTap;
                int x = columns.Source + tap % columns.Taps * columns.SourcePerTap;
                int pixel = y * _sourceImage.RowFloats + x * _sourceImage.Channels;
                for (int c = 0; c < _groupInputs; c++)
                {
                    *at++ = pixel + c;
                }
            }
        }
    }

    /// <summary>Packs the weights in the order in which the phases read them: for each group panels
    /// of [steps][width], as <see cref="Packing{TVector, TSimd}.PanelsOfB"/> makes them.</summary>
    /// <param name="weights">[tap, inputs of a group, outputs of a group], by these strides.
    /// </param>
    /// <param name="tapStride">Floats from a tap to the next.</param>
    /// <param name="groupStride">Floats from a group to the next.</param>
    /// <param name="kernelWidth">Taps of a row of the kernel.</param>
    public void Pack<TVector, TSimd>(
        StridedMatrix weights, nint tapStride, nint groupStride, int kernelWidth)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* to = _panels;
        for (int phase = 0; phase < _rowAxis.Phases * _columnAxis.Phases; phase++)
        {
            (GatherPhase rows, GatherPhase columns) = PhaseOf(phase);
            for (int group = 0; group < _groups; group++)
            {
                float* from = weights.Elements + group * groupStride;
                for (int output = 0; output < _groupOutputs; output += 2 * TSimd.Lanes)
                {
                    int left = _groupOutputs - output;
                    int width = Packing<TVector, TSimd>.PanelVectors(left) * TSimd.Lanes;
                    for (int tap = 0; tap < rows.Taps * columns.Taps; tap++)
                    {
                        int y = rows.FirstTap + tap / columns.Taps * rows.TapStep;
                        int x = columns.FirstTap + tap % columns.Taps * columns.TapStep;
                        var block = new StridedMatrix(
                            from + (y * kernelWidth + x) * tapStride, weights.RowStride,
                            weights.ColumnStride);
                        Packing<TVector, TSimd>.PanelsOfB(
                            block.From(0, output), _groupInputs, Math.Min(width, left), to);
                        to += (nint)_groupInputs * width;
                    }
                }
            }
        }
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* scratch = _scratch.OfPart(part);
        _sourceImage.Clear(scratch);
        nint outputFloats = (nint)_rowAxis.Output * _columnAxis.Output * OutputChannels;
        int end = ComputePool.PartStart(_rows, part + 1, parts);
        for (int row = ComputePool.PartStart(_rows, part, parts); row < end; row++)
        {
            float* source = _sourceImage.Place(
                _source + (nint)row * _sourceImage.Floats, scratch);
            RunRow<TVector, TSimd>(source, _output + row * outputFloats);
        }
    }

    // All phases of one row: a panel of the weights stays near while the row's tiles go over it.
    private void RunRow<TVector, TSimd>(float* source, float* output)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        var tile = new GatheredTile
        {
            Offsets = _table,
            B = _panels,
        };
        for (int phase = 0; phase < _rowAxis.Phases * _columnAxis.Phases; phase++)
        {
            (GatherPhase rows, GatherPhase columns) = PhaseOf(phase);
            tile.Steps = (nint)rows.Taps * columns.Taps * _groupInputs;
            tile.ARowBytes =
                (nint)columns.SourcePerOutput * _sourceImage.Channels * sizeof(float);
            tile.AGroupBytes = GatheredTile.GroupRows * tile.ARowBytes;
            for (int group = 0; group < _groups; group++)
            {
                for (int channel = 0; channel < _groupOutputs; channel += 2 * TSimd.Lanes)
                {
                    int left = _groupOutputs - channel;
                    int vectors = Packing<TVector, TSimd>.PanelVectors(left);
                    int width = vectors * TSimd.Lanes;
                    int first = group * _groupOutputs + channel;
                    tile.BStride = width;
                    tile.BPrefetch = StepsAhead * width;
                    tile.Bias = _bias is null ? null : _bias + first;
                    RunPanel<TVector, TSimd>(
                        &tile, rows, columns, source + group * _groupInputs, vectors,
                        Math.Min(width, left), output + first);
                    tile.B += tile.Steps * width;
                }
            }

            tile.Offsets += tile.Steps;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void RunPanel<TVector, TSimd>(
        GatheredTile* tile, in GatherPhase rows, in GatherPhase columns, float* source,
        int vectors, int channels, float* output)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int outputChannels = OutputChannels;
        var tiles = new Partition(columns.Count, Tile.MaxRows<TVector, TSimd>());
        nint step = tile->ARowBytes / sizeof(float);
        nint outputStep = (nint)columns.OutputStep * outputChannels;
        for (int y = 0; y < rows.Count; y++)
        {
            float* a = source + (nint)y * rows.SourcePerOutput * _sourceImage.RowFloats;
            nint pixel = (nint)(rows.Start + y * rows.OutputStep) * _columnAxis.Output
                + columns.Start;
            float* c = output + pixel * outputChannels;
            for (int i = 0; i < tiles.Count; i++)
            {
                int size = tiles.Size(i);
                tile->A = a;
                TileStore<TVector, TSimd>.Run(
                    tile, size, vectors, channels, c, outputStep);
                a += size * step;
                c += size * outputStep;
            }
        }
    }

    private (GatherPhase Rows, GatherPhase Columns) PhaseOf(int index) =>
        (_rowAxis.Phase(index / _columnAxis.Phases), _columnAxis.Phase(index % _columnAxis.Phases));
}
