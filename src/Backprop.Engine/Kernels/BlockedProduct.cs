using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>One part of a product, computed by one thread: c = a·b + bias.</summary>
/// <param name="A">[rows, inner].</param>
/// <param name="B">[inner, columns].</param>
/// <param name="Bias">[columns]; null for none.</param>
/// <param name="Rows">Rows of a and c.</param>
/// <param name="Inner">Columns of a, rows of b.</param>
/// <param name="Columns">Columns of b and c.</param>
/// <param name="C">Element [0, 0] of the product.</param>
/// <param name="CStride">Floats from a row of c to the next.</param>
/// <param name="Resume">True: the chains begin with what stands in c; false: with +0.</param>
internal readonly unsafe struct ProductPart(
    StridedMatrix A, StridedMatrix B, float* Bias, int Rows, int Inner, int Columns, float* C,
    nint CStride, bool Resume = false)
{
    public readonly StridedMatrix A = A;
    public readonly StridedMatrix B = B;
    public readonly float* Bias = Bias;
    public readonly int Rows = Rows;
    public readonly int Inner = Inner;
    public readonly int Columns = Columns;
    public readonly float* C = C;
    public readonly nint CStride = CStride;
    public readonly bool Resume = Resume;
}

/// <summary>
/// The product of two matrices, cut so that what is used again is still near: panels of b near
/// the first-level cache, tiles of a in the second, tiles of c in registers. After K. Goto and
/// R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008.
/// </summary>
/// <remarks>The inner dimension is cut as well: a chain is then stored in c and taken up again,
/// which changes no bit of it.</remarks>
internal static unsafe class BlockedProduct<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    // Sizes that were measured to be fast on AVX-512 server cores with 1 and 1.25 MiB of
    // second-level cache: tiles of a take a third of it, and what is prefetched of a panel of b
    // need not stay in the first level. Fewer steps would fetch and store c more often.
    private const int MaxSteps = 512;
    private const int MaxColumns = 1024;
    private const int MaxRows = 140;

    // Up to so many rows b is read in place: it is not used often enough to pay for the packing.
    private const int MaxRowsInPlace = 256;

    // From so many rows on b is packed where its rows do not begin on cache lines: most vectors
    // would straddle two.
    private const int MinRowsToAlign = 28;
    private const int FloatsPerLine = 16;

    // a·bᵀ is computed as (b·aᵀ)ᵀ where transposing b would touch so many times more elements than
    // transposing a and c.
    private const int TranspositionRatio = 3;

    // Products of fewer outputs copy rows of a as they are; larger ones repay transposing it.
    private const long MinOutputsToTransposeA = 65_536;

    private const int StepsAheadInPlace = 16;
    private const int StepsAheadPacked = 8;

    /// <summary>Computes the part.</summary>
    public static void Run(in ProductPart part)
    {
        if (part.Rows == 0 || part.Columns == 0)
        {
            return;
        }

        if (part.Rows == 1 && part.B.ColumnStride == 1 && !part.Resume)
        {
            RowProduct<TVector, TSimd>.Run(part);
            return;
        }

        if (part.B.ColumnStride != 1 && part.Bias is null && !part.Resume && TransposingPays(part))
        {
            RunTransposed(part);
            return;
        }

        for (int column = 0; column < part.Columns; column += MaxColumns)
        {
            int columns = Math.Min(MaxColumns, part.Columns - column);
            int blocks = Math.Max(1, (part.Inner + MaxSteps - 1) / MaxSteps);
            for (int block = 0; block < blocks; block++)
            {
                int step = (int)((long)part.Inner * block / blocks);
                int end = (int)((long)part.Inner * (block + 1) / blocks);
                var slab = new Slab(part, column, columns, step, end - step);
                slab.Run();
            }
        }
    }

    private static bool TransposingPays(in ProductPart part)
    {
        long rows = part.Rows, columns = part.Columns, inner = part.Inner;
        return columns * inner > TranspositionRatio * (rows * inner + rows * columns);
    }

    private static void RunTransposed(in ProductPart part)
    {
        Workspace workspace = Workspace.OfThisThread;
        int stride = (part.Rows + FloatsPerLine - 1) / FloatsPerLine * FloatsPerLine;
        float* a = workspace.Take(WorkspaceSlot.TransposedOperand, (long)part.Inner * stride);
        float* c = workspace.Take(WorkspaceSlot.TransposedProduct, (long)part.Columns * stride);
        Transposition.Run(
            part.A.Elements, part.A.RowStride, part.Rows, part.Inner, a, stride);
        Run(new ProductPart(
            part.B.Transposed, new StridedMatrix(a, stride, 1), null,
            part.Columns, part.Inner, part.Rows, c, stride));
        Transposition.Run(c, stride, part.Columns, part.Rows, part.C, part.CStride);
    }

    /// <summary>Some columns of the product and some steps of the inner dimension, all rows.
    /// </summary>
    private readonly struct Slab
    {
        private readonly ProductPart _part;
        private readonly int _column;
        private readonly int _columns;
        private readonly int _step;
        private readonly int _steps;
        private readonly StridedMatrix _b;
        private readonly bool _packB;

        public Slab(in ProductPart part, int column, int columns, int step, int steps)
        {
            _part = part;
            _column = column;
            _columns = columns;
            _step = step;
            _steps = steps;
            _b = part.B.From(step, column);
            _packB = part.B.ColumnStride != 1
                || part.Rows > MaxRowsInPlace
                || (part.B.RowStride % FloatsPerLine != 0 && part.Rows >= MinRowsToAlign);
        }

        public void Run()
        {
            float* packedB = null;
            if (_packB)
            {
                packedB = Workspace.OfThisThread.Take(
                    WorkspaceSlot.PackedB, Packing<TVector, TSimd>.PanelFloats(_steps, _columns));
                Packing<TVector, TSimd>.PanelsOfB(_b, _steps, _columns, packedB);
            }

            var blocks = new Partition(_part.Rows, MaxRows);
            for (int block = 0; block < blocks.Count; block++)
            {
                var tiles = new Partition(blocks.Size(block), Tile.MaxRows<TVector, TSimd>());
                RunRows(blocks.Start(block), tiles, packedB);
            }
        }

        private void RunRows(int row, Partition tiles, float* packedB)
        {
            var tile = new Tile { Steps = _steps, Resume = _part.Resume || _step > 0 };
            nint tileBytes = PlaceA(row, tiles, ref tile);
            byte* a = tile.A;
            bool last = _step + _steps == _part.Inner;
            for (int column = 0; column < _columns; column += 2 * TSimd.Lanes)
            {
                int left = _columns - column;
                int vectors = Packing<TVector, TSimd>.PanelVectors(left);
                int width = vectors * TSimd.Lanes;
                tile.B = _packB ? packedB + (nint)column * _steps : _b.At(0, column);
                tile.BStride = _packB ? width : _b.RowStride;
                tile.BPrefetch =
                    tile.BStride * (_packB ? StepsAheadPacked : StepsAheadInPlace);
                tile.Bias = last && _part.Bias is not null
                    ? _part.Bias + _column + column
                    : null;
                float* c = _part.C + row * _part.CStride + _column + column;
                for (int i = 0; i < tiles.Count; i++)
                {
                    int rows = tiles.Size(i);
                    tile.OutputPrefetch = rows * _part.CStride;
                    tile.A = tileBytes != 0
                        ? a + i * tileBytes
                        : a + tiles.Start(i) * tile.ARowBytes;
                    TileStore<TVector, TSimd>.Run(
                        &tile, rows, vectors, Math.Min(width, left), c, _part.CStride);
                    c += rows * _part.CStride;
                }
            }
        }

        // Returns the bytes from a tile of a to the next where a is packed by tiles, else 0: the
        // tile's rows then follow the strides.
        private nint PlaceA(int row, Partition tiles, ref Tile tile)
        {
            StridedMatrix a = _part.A.From(row, _step);
            if (!PackingAPays())
            {
                tile.A = (byte*)a.Elements;
                tile.ARowBytes = a.RowStride * sizeof(float);
                tile.AStepBytes = a.ColumnStride * sizeof(float);
                return 0;
            }

            Workspace workspace = Workspace.OfThisThread;
            const int AStep = Packing<TVector, TSimd>.AStep;
            if (a.ColumnStride == 1
                && (long)_part.Rows * _part.Columns < MinOutputsToTransposeA)
            {
                // An odd number of cache lines a row: rows then fall on different cache sets.
                nint stride = ((_steps + AStep - 1) / AStep | 1) * AStep;
                float* copy = workspace.Take(
                    WorkspaceSlot.PackedA, (long)tiles.Length * stride);
                Packing<TVector, TSimd>.RowsOfA(a, tiles.Length, _steps, copy, stride);
                tile.A = (byte*)copy;
                tile.ARowBytes = stride * sizeof(float);
                tile.AStepBytes = sizeof(float);
                return 0;
            }

            float* packed = workspace.Take(
                WorkspaceSlot.PackedA, (long)tiles.Count * AStep * _steps);
            Packing<TVector, TSimd>.TilesOfA(a, tiles, _steps, packed);
            tile.A = (byte*)packed;
            tile.ARowBytes = sizeof(float);
            tile.AStepBytes = AStep * sizeof(float);
            tile.APrefetchBytes = StepsAheadInPlace * tile.AStepBytes;
            return AStep * sizeof(float) * (nint)_steps;
        }

        private bool PackingAPays()
        {
            const int ConflictStride = 1024;
            return _part.A.ColumnStride == 1
                ? _part.Columns > 64 || _part.A.RowStride % ConflictStride == 0
                : _part.Columns > 128;
        }
    }
}
