using System.Runtime.CompilerServices;
using Backprop.Engine.Simd;

namespace Backprop.Engine.Layers;

/// <summary>What the kernels of batch normalization share. Of each micro-batch they keep vectors of
/// one float a feature.</summary>
internal static unsafe class BatchNormalizationKernels
{
    public const int Mean = 0;
    public const int UnbiasedVariance = 1;
    public const int InverseDeviation = 2;
    public const int ScaleGradient = 3;
    public const int BiasGradient = 4;
    public const int SavedVectors = 5;

    /// <summary>√(variance + ε).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Deviation<TVector, TSimd>(TVector variance, float epsilon)
        where TVector : struct
        where TSimd : struct, ISimd<TVector> =>
        TSimd.SquareRoot(TSimd.Add(variance, TSimd.Create(epsilon)));

    /// <summary>output = (input − mean)·inverse·scale + bias, of one vector of columns of rows
    /// [<paramref name="start"/>, <paramref name="end"/>), <paramref name="width"/> floats apart.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Normalize<TVector, TSimd>(
        float* input, TVector mean, TVector inverse, TVector scale, TVector bias, int start,
        int end, int width, float* output)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int row = start; row < end; row++)
        {
            nint i = (nint)row * width;
            TVector centered = TSimd.Subtract(TSimd.Load(input + i), mean);
            TSimd.Store(
                TSimd.FusedMultiplyAdd(TSimd.Multiply(centered, inverse), scale, bias),
                output + i);
        }
    }
}

/// <summary>Training: statistics of every micro-batch, then its rows normalized by them. Sums are
/// chains over the rows in order.</summary>
internal unsafe struct NormalizeByMicroBatch : IColumnKernel
{
    public int* Starts;
    public int MicroBatches;
    public int Positions;
    public int Width;
    public float Epsilon;
    public float* Scale;
    public float* Bias;
    public float* Saved;
    public float* Input;
    public float* Output;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector scale = TSimd.Load(Scale + column), bias = TSimd.Load(Bias + column);
        for (int m = 0; m < MicroBatches; m++)
        {
            int start = Starts[m] * Positions, end = Starts[m + 1] * Positions;
            float* saved = Saved
                + (nint)m * BatchNormalizationKernels.SavedVectors * Width + column;
            TVector mean = MeanOf<TVector, TSimd>(start, end, column);
            TVector squares = SquaresOf<TVector, TSimd>(mean, start, end, column);
            TVector variance = TSimd.Divide(squares, TSimd.Create(Math.Max(end - start, 1)));
            TVector inverse = TSimd.Divide(
                TSimd.Create(1f),
                BatchNormalizationKernels.Deviation<TVector, TSimd>(variance, Epsilon));
            TSimd.Store(mean, saved + BatchNormalizationKernels.Mean * Width);
            TSimd.Store(
                TSimd.Divide(squares, TSimd.Create(Math.Max(end - start - 1, 1))),
                saved + BatchNormalizationKernels.UnbiasedVariance * Width);
            TSimd.Store(inverse, saved + BatchNormalizationKernels.InverseDeviation * Width);
            BatchNormalizationKernels.Normalize<TVector, TSimd>(
                Input + column, mean, inverse, scale, bias, start, end, Width, Output + column);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly TVector MeanOf<TVector, TSimd>(int start, int end, int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector sum = TSimd.Zero;
        for (int row = start; row < end; row++)
        {
            sum = TSimd.Add(sum, TSimd.Load(Input + (nint)row * Width + column));
        }

        return TSimd.Divide(sum, TSimd.Create(Math.Max(end - start, 1)));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private readonly TVector SquaresOf<TVector, TSimd>(
        TVector mean, int start, int end, int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector sum = TSimd.Zero;
        for (int row = start; row < end; row++)
        {
            TVector centered = TSimd.Subtract(
                TSimd.Load(Input + (nint)row * Width + column), mean);
            sum = TSimd.FusedMultiplyAdd(centered, centered, sum);
        }

        return sum;
    }
}

/// <summary>Evaluation: rows normalized by the running statistics.</summary>
internal unsafe struct NormalizeByRunningStatistics : IColumnKernel
{
    public int Rows;
    public int Width;
    public float Epsilon;
    public float* Scale;
    public float* Bias;
    public float* Mean;
    public float* Variance;
    public float* Input;
    public float* Output;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector scale = TSimd.Load(Scale + column), bias = TSimd.Load(Bias + column);
        TVector mean = TSimd.Load(Mean + column);
        TVector deviation = BatchNormalizationKernels.Deviation<TVector, TSimd>(
            TSimd.Load(Variance + column), Epsilon);
        TVector inverse = TSimd.Divide(TSimd.Create(1f), deviation);
        BatchNormalizationKernels.Normalize<TVector, TSimd>(
            Input + column, mean, inverse, scale, bias, 0, Rows, Width, Output + column);
    }
}

/// <summary>Backward through running statistics, which no input moves.</summary>
internal unsafe struct ScaleByRunningStatistics : IColumnKernel
{
    public int Rows;
    public int Width;
    public float Epsilon;
    public float* Scale;
    public float* Variance;
    public float* OutputGradient;
    public float* InputGradient;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector deviation = BatchNormalizationKernels.Deviation<TVector, TSimd>(
            TSimd.Load(Variance + column), Epsilon);
        TVector slope = TSimd.Divide(TSimd.Load(Scale + column), deviation);
        for (int row = 0; row < Rows; row++)
        {
            nint i = (nint)row * Width + column;
            TSimd.Store(TSimd.Multiply(slope, TSimd.Load(OutputGradient + i)), InputGradient + i);
        }
    }
}

/// <summary>Backward: the gradients of scale and bias of every micro-batch, then of its input.
/// </summary>
internal unsafe struct NormalizeBackward : IColumnKernel
{
    public int* Starts;
    public int MicroBatches;
    public int Positions;
    public int Width;
    public float* Scale;
    public float* Saved;
    public float* Input;
    public float* OutputGradient;
    public float* InputGradient;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Run<TVector, TSimd>(int column)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        TVector scale = TSimd.Load(Scale + column);
        for (int m = 0; m < MicroBatches; m++)
        {
            int start = Starts[m] * Positions, end = Starts[m + 1] * Positions;
            float* saved = Saved
                + (nint)m * BatchNormalizationKernels.SavedVectors * Width + column;
            TVector mean = TSimd.Load(saved + BatchNormalizationKernels.Mean * Width);
            TVector inverse = TSimd.Load(
                saved + BatchNormalizationKernels.InverseDeviation * Width);
            TVector scaleGradient = TSimd.Zero, biasGradient = TSimd.Zero;
            for (int row = start; row < end; row++)
            {
                nint i = (nint)row * Width + column;
                TVector gradient = TSimd.Load(OutputGradient + i);
                TVector normalized = TSimd.Multiply(
                    TSimd.Subtract(TSimd.Load(Input + i), mean), inverse);
                scaleGradient = TSimd.FusedMultiplyAdd(gradient, normalized, scaleGradient);
                biasGradient = TSimd.Add(biasGradient, gradient);
            }

            TSimd.Store(scaleGradient, saved + BatchNormalizationKernels.ScaleGradient * Width);
            TSimd.Store(biasGradient, saved + BatchNormalizationKernels.BiasGradient * Width);
            if (InputGradient is null)
            {
                continue;
            }

            TVector rows = TSimd.Create(Math.Max(end - start, 1));
            TVector slope = TSimd.Multiply(scale, inverse);
            TVector scaleMean = TSimd.Divide(scaleGradient, rows);
            TVector biasMean = TSimd.Divide(biasGradient, rows);
            for (int row = start; row < end; row++)
            {
                nint i = (nint)row * Width + column;
                TVector normalized = TSimd.Multiply(
                    TSimd.Subtract(TSimd.Load(Input + i), mean), inverse);
                TVector common = TSimd.FusedMultiplyAdd(normalized, scaleMean, biasMean);
                TSimd.Store(
                    TSimd.Multiply(
                        slope, TSimd.Subtract(TSimd.Load(OutputGradient + i), common)),
                    InputGradient + i);
            }
        }
    }
}
