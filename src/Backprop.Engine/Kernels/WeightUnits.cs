using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>Elements of a window, in the order (kh, kw, c), as runs whose elements are evenly
/// spaced in the padded image, or come by evenly spaced threes.</summary>
/// <param name="Count">Runs.</param>
/// <param name="Length">Elements of a run.</param>
/// <param name="Grain">1; 3 where elements come by threes.</param>
/// <param name="ElementFloats">Floats from an element to the next.</param>
/// <param name="ThreeFloats">Floats from an element to the third one after it.</param>
/// <param name="PerRow">Runs of one row of the kernel.</param>
/// <param name="RowFloats">Floats from a row of the kernel to the next.</param>
/// <param name="TapFloats">Floats from a tap of a row to the next.</param>
internal readonly record struct WindowRuns(
    int Count, int Length, int Grain, nint ElementFloats, nint ThreeFloats, int PerRow,
    nint RowFloats, nint TapFloats)
{
    /// <summary>Cuts the window of a convolution.</summary>
    public static WindowRuns Of(ConvolutionGeometry geometry, in PaddedImage image)
    {
        (WindowAxis rows, WindowAxis columns) = (geometry.Rows, geometry.Columns);
        int inGroup = geometry.ImageGroup;
        nint rowFloats = (nint)rows.Dilation * image.RowFloats;
        nint tapFloats = (nint)columns.Dilation * image.Channels;
        const int Three = GatheredTile.GroupRows;
        if (inGroup == 1 && columns.Kernel == Three)
        {
            // One channel and the usual kernel: its rows are the threes.
            return new WindowRuns(
                1, Three * rows.Kernel, Three, tapFloats, rowFloats, 1, rowFloats, tapFloats);
        }

        if (inGroup == 1)
        {
            return new WindowRuns(
                rows.Kernel, columns.Kernel, 1, tapFloats, Three * tapFloats, 1, rowFloats,
                tapFloats);
        }

        return columns.Dilation == 1 && geometry.Groups == 1
            ? new WindowRuns(
                rows.Kernel, columns.Kernel * inGroup, 1, 1, Three, 1, rowFloats, tapFloats)
            : new WindowRuns(
                geometry.Taps, inGroup, 1, 1, Three, columns.Kernel, rowFloats, tapFloats);
    }

    /// <summary>Where in the padded image an element of the first window lies.</summary>
    public nint OffsetOf(int run, int element) =>
        run / PerRow * RowFloats + run % PerRow * TapFloats
        + element / GatheredTile.GroupRows * ThreeFloats
        + element % GatheredTile.GroupRows * ElementFloats;
}

/// <summary>One tile of a weight gradient.</summary>
/// <param name="Group">Its group.</param>
/// <param name="FirstElement">Its first element of the window: of (kh, kw, c) in the group.</param>
/// <param name="Elements">Its elements: the tile's rows.</param>
/// <param name="GroupChannel">Its first channel of the field, in the group.</param>
/// <param name="FieldChannel">The same, among all channels.</param>
/// <param name="Channels">Channels that exist.</param>
/// <param name="Width">Floats of a row of the tile: whole vectors.</param>
/// <param name="ImageOffset">Where its first element lies in the first window.</param>
/// <param name="SumOffset">Where its sums lie.</param>
internal readonly record struct WeightUnit(
    int Group, int FirstElement, int Elements, int GroupChannel, int FieldChannel, int Channels,
    int Width, nint ImageOffset, nint SumOffset)
{
    /// <summary>Floats of its sums.</summary>
    public int Floats => Elements * Width;
}

/// <summary>The tiles of a weight gradient in the order in which their sums lie: group by group,
/// panel by panel, element by element.</summary>
internal readonly struct WeightUnits<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    private readonly ConvolutionGeometry _geometry;
    private readonly WindowRuns _runs;
    private readonly Partition _tiles;
    private readonly int _panels;
    private readonly int _elements;

    public WeightUnits(ConvolutionGeometry geometry, in WindowRuns runs)
    {
        _geometry = geometry;
        _runs = runs;
        _tiles = new Partition(
            runs.Length / runs.Grain, Tile.MaxRows<TVector, TSimd>() / runs.Grain);
        int panelWidth = 2 * TSimd.Lanes;
        _panels = (geometry.FieldGroup + panelWidth - 1) / panelWidth;
        _elements = geometry.Taps * geometry.ImageGroup;
        Count = geometry.Groups * _panels * runs.Count * _tiles.Count;
    }

    /// <summary>Tiles in all.</summary>
    public int Count { get; }

    /// <summary>A tile.</summary>
    public WeightUnit this[int index]
    {
        get
        {
            (int rest, int tile) = int.DivRem(index, _tiles.Count);
            (rest, int run) = int.DivRem(rest, _runs.Count);
            (int group, int panel) = int.DivRem(rest, _panels);
            int inRun = _runs.Grain * _tiles.Start(tile);
            int element = run * _runs.Length + inRun;
            int channel = panel * 2 * TSimd.Lanes;
            int left = _geometry.FieldGroup - channel;
            int width = Packing<TVector, TSimd>.PanelVectors(left) * TSimd.Lanes;
            int lastWidth = Packing<TVector, TSimd>.PanelVectors(
                _geometry.FieldGroup - (_panels - 1) * 2 * TSimd.Lanes) * TSimd.Lanes;
            int groupWidth = (_panels - 1) * 2 * TSimd.Lanes + lastWidth;
            return new WeightUnit(
                group, element, _runs.Grain * _tiles.Size(tile), channel,
                group * _geometry.FieldGroup + channel, Math.Min(width, left), width,
                group * _geometry.ImageGroup + _runs.OffsetOf(run, inRun),
                ((nint)group * groupWidth + channel) * _elements + (nint)element * width);
        }
    }
}
