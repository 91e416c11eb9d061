using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Numerics;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Losses;

/// <summary>One output's share in a row's loss, and its derivative.</summary>
internal interface IElementLoss
{
    /// <summary>The loss, lane by lane.</summary>
    TVector Value<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;

    /// <summary>The loss's derivative by the output, lane by lane.</summary>
    TVector Derivative<TVector, TSimd>(TVector output, TVector target)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>;
}

/// <summary>A loss whose rows are the sum, or the mean, over outputs of something that each output
/// has with its target alone.</summary>
public abstract record ElementLoss : Loss
{
    private protected ElementLoss()
    {
    }

    /// <inheritdoc/>
    public sealed override TargetKind Target => TargetKind.Values;

    /// <summary>True: a row's loss is the mean over outputs; false: the sum.</summary>
    private protected abstract bool IsMean { get; }

    /// <inheritdoc/>
    public sealed override double Reference(
        ReadOnlySpan<double> outputs, ReadOnlySpan<float> targets)
    {
        double sum = 0;
        for (int i = 0; i < outputs.Length; i++)
        {
            sum += ReferenceElement(outputs[i], targets[i]);
        }

        return IsMean ? sum / outputs.Length : sum;
    }

    /// <summary>One output's share in double precision: the plain definition.</summary>
    private protected abstract double ReferenceElement(double output, double target);

    private protected unsafe void Compute<TLoss>(
        TLoss loss, ComputePool pool, float* outputs, float* targets, int rows, int width,
        float scale, float* rowLosses, float* gradient)
        where TLoss : struct, IElementLoss
    {
        var body = new ElementLossRows<TLoss>
        {
            Loss = loss,
            Outputs = outputs,
            Targets = targets,
            Rows = rows,
            Width = width,
            Divisor = IsMean ? width : 1,
            Scale = scale,
            RowLosses = rowLosses,
            Gradient = gradient,
        };
        RunRows(pool, ref body, (long)rows * width);
    }
}

/// <summary>The rows of an <see cref="ElementLoss"/>, cut among threads.</summary>
internal unsafe struct ElementLossRows<TLoss> : IParallelBody
    where TLoss : struct, IElementLoss
{
    public required TLoss Loss;
    public required float* Outputs;
    public required float* Targets;
    public required int Rows;
    public required int Width;
    public required float Divisor;
    public required float Scale;
    public required float* RowLosses;
    public required float* Gradient;

    // Values at a time, on the stack; a multiple of the reductions' lanes.
    private const int ChunkLength = 1024;

    /// <inheritdoc/>
    public readonly void Run(int part, int parts) => Run(SimdWidths.Best, part, parts);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public readonly void Run(SimdWidth simdWidth, int part, int parts)
    {
        int start = ComputePool.PartStart(Rows, part, parts);
        int end = ComputePool.PartStart(Rows, part + 1, parts);
        int rowsAtOnce = Math.Max(1, ChunkLength / Width);
        for (int row = start; row < end; row += rowsAtOnce)
        {
            Block(simdWidth, row, Math.Min(rowsAtOnce, end - row));
        }
    }

    // Narrow rows are mapped together, so that their elements fill the vectors.
    [SkipLocalsInit]
    private readonly void Block(SimdWidth simdWidth, int firstRow, int rows)
    {
        float* values = stackalloc float[ChunkLength];
        long offset = (long)firstRow * Width;
        float* outputs = Outputs + offset, targets = Targets + offset;
        if (Width > ChunkLength)
        {
            RowLosses[firstRow] = WideRow(simdWidth, outputs, targets, values) / Divisor;
        }
        else
        {
            Elementwise.Map(
                simdWidth, new ValueOf(Loss), outputs, targets, rows * Width, values);
            for (int row = 0; row < rows; row++)
            {
                RowLosses[firstRow + row] = Sum(simdWidth, values + (row * Width), Width) / Divisor;
            }
        }

        if (Gradient is not null)
        {
            Elementwise.Map(
                simdWidth, new GradientOf(Loss, Scale / Divisor), outputs, targets, rows * Width,
                Gradient + offset);
        }
    }

    // A row that is longer than a chunk is summed chunk by chunk.
    private readonly float WideRow(
        SimdWidth simdWidth, float* outputs, float* targets, float* values)
    {
        float sum = 0;
        for (int i = 0; i < Width; i += ChunkLength)
        {
            int count = Math.Min(ChunkLength, Width - i);
            Elementwise.Map(
                simdWidth, new ValueOf(Loss), outputs + i, targets + i, count, values);
            sum += Sum(simdWidth, values, count);
        }

        return sum;
    }

    private static float Sum(SimdWidth simdWidth, float* values, int count) =>
        Reductions.MapReduce(simdWidth, default(SumReduction), values, count, null);

    private readonly struct ValueOf(TLoss loss) : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector, TSimd>(TVector output, TVector target)
            where TVector : struct
            where TSimd : struct, ISimd<TVector> => loss.Value<TVector, TSimd>(output, target);
    }

    private readonly struct GradientOf(TLoss loss, float factor) : IBinaryFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public TVector Invoke<TVector, TSimd>(TVector output, TVector target)
            where TVector : struct
            where TSimd : struct, ISimd<TVector> =>
            TSimd.Multiply(
                loss.Derivative<TVector, TSimd>(output, target), TSimd.Create(factor));
    }
}
