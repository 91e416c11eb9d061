using System.Runtime.CompilerServices;
using Backprop.Engine.Kernels;
using Backprop.Engine.Simd;
using Backprop.Engine.Threading;

namespace Backprop.Engine.Layers;

/// <summary>The sizes of group normalization.</summary>
/// <param name="Positions">Positions of a row.</param>
/// <param name="Channels">Values of a position.</param>
/// <param name="Groups">Groups of channels.</param>
/// <param name="Epsilon">Added to the variance.</param>
internal sealed record GroupGeometry(int Positions, int Channels, int Groups, float Epsilon)
{
    /// <summary>Multiply-adds that an element takes as long as.</summary>
    public const long Weight = 16;

    /// <summary>Channels of a group.</summary>
    public int GroupChannels => Channels / Groups;

    /// <summary>Values of a group in a row.</summary>
    public int GroupValues => Positions * GroupChannels;

    /// <summary>Floats of a row.</summary>
    public nint RowFloats => (nint)Positions * Channels;
}

/// <summary>Normalizes rows; threads share them, lanes run over channels.</summary>
internal unsafe struct GroupForward : IVectorWork
{
    public GroupGeometry Geometry;
    public int Rows;
    public float* Scale;
    public float* Bias;
    public float* Input;
    public float* Saved;
    public float* Output;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int channels = Geometry.Channels;
        int end = ComputePool.PartStart(Rows, part + 1, parts);
        for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
        {
            float* x = Input + row * Geometry.RowFloats, y = Output + row * Geometry.RowFloats;
            float* mean = Saved + (nint)row * 2 * channels, inverse = mean + channels;
            Sums<TVector, TSimd>(x, mean);
            ToMeans(mean);
            Squares<TVector, TSimd>(x, mean, inverse);
            ToMeans(inverse);
            for (int c = 0; c < channels; c++)
            {
                inverse[c] = 1f / MathF.Sqrt(inverse[c] + Geometry.Epsilon);
            }

            Normalize<TVector, TSimd>(x, mean, inverse, y);
        }
    }

    // Sums of channels become the mean of their group, for each of its channels.
    private readonly void ToMeans(float* sums)
    {
        for (int group = 0; group < Geometry.Groups; group++)
        {
            var channels = new Span<float>(
                sums + group * Geometry.GroupChannels, Geometry.GroupChannels);
            float sum = 0;
            foreach (float value in channels)
            {
                sum += value;
            }

            channels.Fill(sum / Geometry.GroupValues);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Sums<TVector, TSimd>(float* x, float* sums)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int c = 0; c < Geometry.Channels; c += TSimd.Lanes)
        {
            int present = Geometry.Channels - c;
            TVector sum = TSimd.Zero;
            float* at = x + c;
            for (int p = 0; p < Geometry.Positions; p++, at += Geometry.Channels)
            {
                sum = TSimd.Add(sum, TSimd.LoadUpTo(at, present));
            }

            TSimd.StoreUpTo(sum, present, sums + c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Squares<TVector, TSimd>(float* x, float* mean, float* sums)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int c = 0; c < Geometry.Channels; c += TSimd.Lanes)
        {
            int present = Geometry.Channels - c;
            TVector sum = TSimd.Zero, middle = TSimd.LoadUpTo(mean + c, present);
            float* at = x + c;
            for (int p = 0; p < Geometry.Positions; p++, at += Geometry.Channels)
            {
                TVector centered = TSimd.Subtract(TSimd.LoadUpTo(at, present), middle);
                sum = TSimd.FusedMultiplyAdd(centered, centered, sum);
            }

            TSimd.StoreUpTo(sum, present, sums + c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Normalize<TVector, TSimd>(
        float* x, float* mean, float* inverse, float* y)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int c = 0; c < Geometry.Channels; c += TSimd.Lanes)
        {
            int present = Geometry.Channels - c;
            TVector middle = TSimd.LoadUpTo(mean + c, present);
            TVector factor = TSimd.LoadUpTo(inverse + c, present);
            TVector scale = Scale is null ? TSimd.Zero : TSimd.LoadUpTo(Scale + c, present);
            TVector bias = Scale is null ? TSimd.Zero : TSimd.LoadUpTo(Bias + c, present);
            nint at = c;
            for (int p = 0; p < Geometry.Positions; p++, at += Geometry.Channels)
            {
                TVector normalized = TSimd.Multiply(
                    TSimd.Subtract(TSimd.LoadUpTo(x + at, present), middle), factor);
                TSimd.StoreUpTo(
                    Scale is null
                        ? normalized
                        : TSimd.FusedMultiplyAdd(normalized, scale, bias),
                    present, y + at);
            }
        }
    }
}

/// <summary>Backward: each row's sums of δ·x̂ and of δ by channel, then the gradient of its input.
/// </summary>
internal unsafe struct GroupBackward : IVectorWork
{
    public GroupGeometry Geometry;
    public int Rows;
    public float* Scale;
    public float* Input;
    public float* Saved;
    public float* OutputGradient;
    public LayerScratch Means;
    public float* ScaleSums;
    public float* BiasSums;
    public float* InputGradient;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void Run<TVector, TSimd>(int part, int parts)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        int channels = Geometry.Channels;
        float* product = Means.OfPart(part), mean = product + channels;
        int end = ComputePool.PartStart(Rows, part + 1, parts);
        for (int row = ComputePool.PartStart(Rows, part, parts); row < end; row++)
        {
            nint at = row * Geometry.RowFloats;
            float* saved = Saved + (nint)row * 2 * channels;
            float* scaleSums = ScaleSums + (nint)row * channels;
            float* biasSums = BiasSums + (nint)row * channels;
            Sums<TVector, TSimd>(
                Input + at, OutputGradient + at, saved, scaleSums, biasSums);
            if (InputGradient is not null)
            {
                ToMeans(scaleSums, product);
                ToMeans(biasSums, mean);
                PassBack<TVector, TSimd>(
                    Input + at, OutputGradient + at, saved, product, mean, InputGradient + at);
            }
        }
    }

    // The mean of γ times what was summed over a group, for each of its channels.
    private readonly void ToMeans(float* sums, float* means)
    {
        for (int group = 0; group < Geometry.Groups; group++)
        {
            int first = group * Geometry.GroupChannels;
            float sum = 0;
            for (int c = first; c < first + Geometry.GroupChannels; c++)
            {
                sum = Scale is null
                    ? sum + sums[c]
                    : MathF.FusedMultiplyAdd(Scale[c], sums[c], sum);
            }

            new Span<float>(means + first, Geometry.GroupChannels)
                .Fill(sum / Geometry.GroupValues);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Sums<TVector, TSimd>(
        float* x, float* dy, float* saved, float* scaleSums, float* biasSums)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int c = 0; c < Geometry.Channels; c += TSimd.Lanes)
        {
            int present = Geometry.Channels - c;
            TVector middle = TSimd.LoadUpTo(saved + c, present);
            TVector inverse = TSimd.LoadUpTo(saved + Geometry.Channels + c, present);
            TVector scaleSum = TSimd.Zero, biasSum = TSimd.Zero;
            nint at = c;
            for (int p = 0; p < Geometry.Positions; p++, at += Geometry.Channels)
            {
                TVector gradient = TSimd.LoadUpTo(dy + at, present);
                TVector normalized = TSimd.Multiply(
                    TSimd.Subtract(TSimd.LoadUpTo(x + at, present), middle), inverse);
                scaleSum = TSimd.FusedMultiplyAdd(gradient, normalized, scaleSum);
                biasSum = TSimd.Add(biasSum, gradient);
            }

            TSimd.StoreUpTo(scaleSum, present, scaleSums + c);
            TSimd.StoreUpTo(biasSum, present, biasSums + c);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void PassBack<TVector, TSimd>(
        float* x, float* dy, float* saved, float* product, float* mean, float* dx)
        where TVector : struct
        where TSimd : struct, ISimd<TVector>
    {
        for (int c = 0; c < Geometry.Channels; c += TSimd.Lanes)
        {
            int present = Geometry.Channels - c;
            TVector middle = TSimd.LoadUpTo(saved + c, present);
            TVector inverse = TSimd.LoadUpTo(saved + Geometry.Channels + c, present);
            TVector scale = Scale is null
                ? TSimd.Create(1f)
                : TSimd.LoadUpTo(Scale + c, present);
            TVector productMean = TSimd.LoadUpTo(product + c, present);
            TVector gradientMean = TSimd.LoadUpTo(mean + c, present);
            nint at = c;
            for (int p = 0; p < Geometry.Positions; p++, at += Geometry.Channels)
            {
                TVector normalized = TSimd.Multiply(
                    TSimd.Subtract(TSimd.LoadUpTo(x + at, present), middle), inverse);
                TVector common = TSimd.FusedMultiplyAdd(normalized, productMean, gradientMean);
                TVector scaled = TSimd.Multiply(scale, TSimd.LoadUpTo(dy + at, present));
                TSimd.StoreUpTo(
                    TSimd.Multiply(inverse, TSimd.Subtract(scaled, common)), present, dx + at);
            }
        }
    }
}
