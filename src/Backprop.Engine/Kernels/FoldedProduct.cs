using System.Numerics;
using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Kernels;

/// <summary>One part of a weight gradient, computed by one thread.</summary>
/// <param name="Input">[inputs, rows]: the layer's input, seen transposed.</param>
/// <param name="OutputGradient">[rows, outputs].</param>
/// <param name="Starts">First row of each micro-batch, and the end of the last.</param>
/// <param name="MicroBatches">Micro-batches, one at least.</param>
/// <param name="Inputs">Rows of the gradient.</param>
/// <param name="Outputs">Columns of the gradient.</param>
/// <param name="Gradient">Element [0, 0] of the gradient.</param>
/// <param name="GradientStride">Floats from a row of the gradient to the next.</param>
internal readonly unsafe struct FoldedPart(
    StridedMatrix Input, StridedMatrix OutputGradient, int* Starts, int MicroBatches, int Inputs,
    int Outputs, float* Gradient, nint GradientStride)
{
    public readonly StridedMatrix Input = Input;
    public readonly StridedMatrix OutputGradient = OutputGradient;
    public readonly int* Starts = Starts;
    public readonly int MicroBatches = MicroBatches;
    public readonly int Inputs = Inputs;
    public readonly int Outputs = Outputs;
    public readonly float* Gradient = Gradient;
    public readonly nint GradientStride = GradientStride;

    /// <summary>Rows of all the micro-batches.</summary>
    public int Rows => Starts[MicroBatches] - Starts[0];
}

/// <summary>
/// The product that keeps micro-batches apart: while a tile of the gradient is at hand, every
/// micro-batch's chain is computed in registers and folded up the gradient tree as a binary counter
/// counts. Micro-batch m adds the levels of m's trailing one-bits and is put down at the level of
/// its lowest zero-bit; the last adds every level that is occupied, which are m's one-bits, and is
/// the sum. The levels of one tile stay in the first-level cache.
/// </summary>
internal static unsafe class FoldedProduct<TVector, TSimd>
    where TVector : struct
    where TSimd : struct, ISimd<TVector>
{
    private const int MaxLevels = 32;

    // What is packed stays within the second-level cache: half of it for tiles of the input. The
    // panels of the output gradient are walked through once for each such group of tiles.
    private const int MaxPackedInputFloats = 131_072;
    private const int MaxPackedGradientFloats = 1_048_576;

    // As for BlockedProduct: fewer uses do not pay for the packing.
    private const int MaxInputsInPlace = 256;
    private const int MaxOutputsInPlace = 128;

    private const int StepsAhead = 8;

    /// <summary>Computes the part.</summary>
    public static void Run(in FoldedPart part)
    {
        if (part.Inputs == 0 || part.Outputs == 0)
        {
            return;
        }

        int panelWidth = 2 * TSimd.Lanes;
        int rows = Math.Max(1, part.Rows);
        int outputsAtOnce = part.Inputs <= MaxInputsInPlace
            ? part.Outputs
            : Math.Max(1, MaxPackedGradientFloats / panelWidth / rows) * panelWidth;
        for (int first = 0; first < part.Outputs; first += outputsAtOnce)
        {
            RunOutputs(part, first, Math.Min(outputsAtOnce, part.Outputs - first));
        }
    }

    private static void RunOutputs(in FoldedPart part, int firstOutput, int outputs)
    {
        StridedMatrix gradient = part.OutputGradient.From(part.Starts[0], firstOutput);
        float* packed = null;
        if (part.Inputs > MaxInputsInPlace)
        {
            packed = Workspace.OfThisThread.Take(
                WorkspaceSlot.PackedB,
                Packing<TVector, TSimd>.PanelFloats(part.Rows, outputs));
            Packing<TVector, TSimd>.PanelsOfB(gradient, part.Rows, outputs, packed);
        }

        int tileRows = Tile.MaxRows<TVector, TSimd>();
        int tileFloats = Math.Max(1, part.Rows) * Packing<TVector, TSimd>.AStep;
        int inputsAtOnce = Math.Max(1, MaxPackedInputFloats / tileFloats) * tileRows;
        for (int first = 0; first < part.Inputs; first += inputsAtOnce)
        {
            var group = new Group(
                part, firstOutput, outputs, gradient, packed, first,
                new Partition(Math.Min(inputsAtOnce, part.Inputs - first), tileRows));
            group.Run();
        }
    }

    /// <summary>Some inputs (as many as are packed at once) by some outputs.</summary>
    private readonly struct Group(
        FoldedPart part, int firstOutput, int outputs, StridedMatrix gradient,
        float* packedGradient, int firstInput, Partition tiles)
    {
        public void Run()
        {
            Workspace workspace = Workspace.OfThisThread;
            var tile = new FoldedTile
            {
                Starts = part.Starts,
                LastMicroBatch = (uint)part.MicroBatches - 1,
                Levels = workspace.Take(WorkspaceSlot.Levels, MaxLevels * Tile.MaxFloats),
            };
            nint tileBytes = PlaceInput(workspace, ref tile);
            byte* input = tile.A;
            for (int output = 0; output < outputs; output += 2 * TSimd.Lanes)
            {
                int left = outputs - output;
                int vectors = Packing<TVector, TSimd>.PanelVectors(left);
                int width = vectors * TSimd.Lanes;
                bool isPacked = packedGradient is not null;
                float* b = isPacked
                    ? packedGradient + (nint)output * part.Rows
                    : gradient.At(0, output);
                tile.BStride = isPacked ? width : gradient.RowStride;
                tile.BPrefetch = StepsAhead * tile.BStride;
                for (int i = 0; i < tiles.Count; i++)
                {
                    int row = tiles.Start(i);
                    byte* a = tileBytes != 0 ? input + i * tileBytes : input + row * tile.ARowBytes;
                    float* c = part.Gradient
                        + (firstInput + row) * part.GradientStride + firstOutput + output;
                    tile.A = a;
                    tile.B = b;
                    TileStore<TVector, TSimd>.Run(
                        &tile, tiles.Size(i), vectors, Math.Min(width, left), c,
                        part.GradientStride);
                }
            }
        }

        // Returns the bytes from a tile of the input to the next where it is packed, else 0.
        private nint PlaceInput(Workspace workspace, ref FoldedTile tile)
        {
            StridedMatrix input = part.Input.From(firstInput, part.Starts[0]);
            tile.ARowBytes = sizeof(float);
            if (part.Outputs <= MaxOutputsInPlace)
            {
                tile.A = (byte*)input.Elements;
                tile.AStepBytes = input.ColumnStride * sizeof(float);
                return 0;
            }

            const int AStep = Packing<TVector, TSimd>.AStep;
            float* packed = workspace.Take(
                WorkspaceSlot.PackedA, (long)tiles.Count * AStep * part.Rows);
            Packing<TVector, TSimd>.TilesOfA(input, tiles, part.Rows, packed);
            tile.A = (byte*)packed;
            tile.AStepBytes = AStep * sizeof(float);
            tile.APrefetchBytes = StepsAhead * tile.AStepBytes;
            return tile.AStepBytes * part.Rows;
        }
    }
}
