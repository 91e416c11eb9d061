using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
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

    /// <inheritdoc/>
    public readonly void Run(int part, int parts) => Run(SimdWidths.Best, part, parts);

    /// <summary>As the above, at a width of the caller's choice: for tests.</summary>
    public readonly void Run(SimdWidth simdWidth, int part, int parts)
    {
        int start = ComputePool.PartStart(Rows, part, parts);
        int end = ComputePool.PartStart(Rows, part + 1, parts);
        switch (simdWidth)
        {
            case SimdWidth.Bits512:
                Run<Vector512<float>, Simd512>(start, end);
                break;
            case SimdWidth.Bits256:
                Run<Vector256<float>, Simd256>(start, end);
                break;
            case SimdWidth.Bits128:
                Run<Vector128<float>, Simd128>(start, end);
                break;
            default:
                Run<float, SimdScalar>(start, end);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Run<TVector, TSimd>(int start, int end)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float* lanes = stackalloc float[Reductions.Lanes];
        for (int row = start; row < end; row++)
        {
            long offset = (long)row * Width;
            float* gradient = Gradient is null ? null : Gradient + offset;
            RowLosses[row] =
                Row<TVector, TSimd>(Outputs + offset, Targets + offset, lanes, gradient) / Divisor;
        }
    }

    // The sum is in the order of Reductions: 16 virtual lanes and their tree.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly float Row<TVector, TSimd>(
        float* outputs, float* targets, float* lanes, float* gradient)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        float factor = Scale / Divisor;
        int wholeCount = Width - (Width % Reductions.Lanes);
        for (int group = 0; group < Reductions.Lanes; group += TSimd.Lanes)
        {
            TVector sum = TSimd.Zero;
            for (int i = group; i < wholeCount; i += Reductions.Lanes)
            {
                TVector output = TSimd.Load(outputs + i), target = TSimd.Load(targets + i);
                sum = TSimd.Add(sum, Loss.Value<TVector, TSimd>(output, target));
                if (gradient is not null)
                {
                    TVector derivative = Loss.Derivative<TVector, TSimd>(output, target);
                    TSimd.Store(
                        TSimd.Multiply(derivative, TSimd.Create(factor)), gradient + i);
                }
            }

            TSimd.Store(sum, lanes + group);
        }

        for (int i = wholeCount; i < Width; i++)
        {
            float output = outputs[i], target = targets[i];
            lanes[i - wholeCount] += Loss.Value<float, SimdScalar>(output, target);
            if (gradient is not null)
            {
                gradient[i] = Loss.Derivative<float, SimdScalar>(output, target) * factor;
            }
        }

        return Reductions.FoldLanes(lanes);
    }
}
